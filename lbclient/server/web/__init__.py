"""The HTTP server: connections, ASGI, headers of proxies, and what a route takes and returns."""
