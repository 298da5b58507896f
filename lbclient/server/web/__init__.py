"""The HTTP server: connections, the ASGI bridge, proxy headers, and routes with their requests and answers."""
