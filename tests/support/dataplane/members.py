"""Servers for tests to balance between: they say who they are, and do as they are told."""

from __future__ import annotations

import contextlib
import http.server
import json
import random
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any


class Web:
    """An HTTP server that answers with its name and what it was asked; its health can be spoiled."""

    def __init__(
        self, name: str, port: int = 0, address: str = "127.0.0.1", context: ssl.SSLContext | None = None
    ) -> None:
        """With a context it speaks TLS, and answers with what it saw of that, too."""
        self.name = name
        self.address = address
        self.context = context
        self.health = 200
        self.delay = 0.0
        self.checks: list[dict[str, Any]] = []
        self.requests = 0
        self._server = self._open(port)
        self.port = self._server.server_address[1]

    def _open(self, port: int) -> http.server.ThreadingHTTPServer:
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                path = self.path.partition("?")[0]
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = [(name.lower(), value) for name, value in self.headers.items()]
                if path.startswith("/health"):
                    owner.checks.append({"path": self.path, "version": self.request_version, "headers": headers})
                    self.reply(owner.health, b"")
                    return
                owner.requests += 1
                time.sleep(owner.delay)
                seen = {"name": owner.name, "path": self.path, "headers": headers, "tls": _seen(self.connection)}
                body = json.dumps(seen).encode()
                self.reply(200, body)

            def reply(self, code: int, body: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Server-Name", owner.name)
                if self.path.startswith("/login"):
                    self.send_header("Set-Cookie", f"SESSION={owner.name}-{self.path.rpartition('/')[2]}; path=/")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_POST = do_OPTIONS = answer

            def log_message(self, *args: object) -> None:
                """Quiet."""

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """Quiet: a connection may break at any time."""

        server = Server((self.address, port), Handler)
        if self.context:
            self.context.sni_callback = _note_name
            # The handshake waits for the handler's thread.
            server.socket = self.context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def down(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()

    def up(self) -> None:
        self._server = self._open(self.port)


def _note_name(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
    connection.asked_for = name


def _seen(connection: Any) -> dict[str, Any] | None:
    if not isinstance(connection, ssl.SSLSocket):
        return None
    shown = dict(each for names in (connection.getpeercert() or {}).get("subject", ()) for each in names)
    return {
        "version": connection.version(),
        "cipher": (connection.cipher() or ("",))[0],
        "alpn": connection.selected_alpn_protocol(),
        "asked_for": connection.asked_for,  # type: ignore[attr-defined]
        "client": shown.get("commonName"),
    }


class Echo:
    """A TCP server that sends its name, and then back whatever comes."""

    def __init__(self, name: str, address: str = "127.0.0.1") -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.sendall(f"{name}\n".encode())
                while data := self.request.recv(65536):
                    self.request.sendall(data)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """Quiet: a connection may break at any time."""

        self.name = name
        self.address = address
        self._server = Server((address, 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Datagrams:
    """A UDP server that answers each datagram with its name and what came; it notes what it was sent."""

    def __init__(self, name: str, address: str = "127.0.0.1", port: int = 0) -> None:
        self.name = name
        self.address = address
        self.port = port
        self.received: list[bytes] = []
        self.up()

    def up(self) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, self.port))
        self.port = self._socket.getsockname()[1]
        self._socket.settimeout(0.1)
        self._is_over = False
        self._thread = threading.Thread(target=self._serve, args=(self._socket,), daemon=True)
        self._thread.start()

    def down(self) -> None:
        """Close the port: connections are refused."""
        self._is_over = True
        self._thread.join()
        self._socket.close()

    def _serve(self, listening: socket.socket) -> None:
        while not self._is_over:
            with contextlib.suppress(OSError):
                data, client = listening.recvfrom(65536)
                self.received.append(data)
                listening.sendto(self.name.encode() + b" " + data[:60000], client)


GIVEN: set[int] = set()


def free_port() -> int:
    """Return a free port that no other call gets, below those that the kernel gives to clients."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("127.0.0.1", port))
            if port not in GIVEN:
                GIVEN.add(port)
                return port


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait for a condition and return its first true value. Fails after a deadline."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {seconds} s; last: {result!r}"
        time.sleep(0.02)
