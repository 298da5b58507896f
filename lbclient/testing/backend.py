"""Web servers for the members of a pool."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


class Backend:
    """A web server that answers every GET with a text, and counts them."""

    def __init__(self, address: str, text: str, port: int = 0) -> None:
        """Start the server; port 0 chooses a free one.

        Raises OSError if the address is not one of this machine, or the port is taken.
        """
        self.text = text
        self.requests: list[str] = []  # the paths of the GETs, in order
        self._server = ThreadingHTTPServer((address, port), self._handler())
        self._server.daemon_threads = True
        self.address = address
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the server and close its port, so that health monitors find it down."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                backend.requests.append(self.path)
                body = backend.text.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass  # requests are counted, not logged

        return Handler


def get(url: str, **options: object) -> requests.Response:
    """Send a GET on a new connection, without a proxy; the timeout is 10 seconds by default."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, **{"timeout": 10, **options})  # type: ignore[arg-type]
