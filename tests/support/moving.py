"""Clients whose connections outlast a move of addresses, and the member that serves them; for scripts of `pair`."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pair import VIPS, Host

MEMBER = ("10.0.0.100", 8000)
SECONDS = 30.0
CHUNK = os.urandom(1 << 16)
PAUSE = 0.02


class Member(BaseHTTPRequestHandler):
    """Answers with the digest of what it received; after an upgrade, with every byte that it is sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")  # of the clients' only key
            self.end_headers()
            while data := self.connection.recv(1 << 16):
                self.connection.sendall(data)
            self.close_connection = True
            return
        self._answer(b"hello")

    def do_POST(self) -> None:
        digest = hashlib.sha256()
        left = int(self.headers["Content-Length"])
        while left:
            data = self.rfile.read(min(left, 1 << 16))
            digest.update(data)
            left -= len(data)
        self._answer(digest.hexdigest().encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # clients end as they like
            super().handle()

    def log_message(self, *arguments: object) -> None:
        return


def member() -> None:
    socketserver.TCPServer.request_queue_size = 128
    server = ThreadingHTTPServer(MEMBER, Member)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def configure(host: Host, certificate: str) -> str:
    """Return HAProxy's configuration: HTTP, and TLS with HTTP/2, on addresses of both versions."""
    binds = "".join(
        f" bind {each}:80\n bind {each}:443 ssl crt {certificate} alpn h2,http/1.1\n" for each in VIPS.values()
    )
    return (
        "defaults\n mode http\n timeout client 60s\n timeout server 60s\n timeout connect 5s\n"
        f"frontend web\n{binds} http-response set-header host-name {host.name}\n default_backend members\n"
        f"backend members\n server member {MEMBER[0]}:{MEMBER[1]}\n"
    )


class Clients:
    """Threads with connections that stay open until the end; what went wrong is in `failures`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.failures: list[str] = []
        self.count = 0
        self.names: dict[str, set[str]] = {}  # the hosts that answered, by kind of client
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._context = ssl._create_unverified_context()
        self._context.set_alpn_protocols(["http/1.1"])

    def kinds(self) -> dict[str, Callable[[], None]]:
        return {
            "new": self._new,
            "kept": self._kept,
            "tls": lambda: self._kept(True),
            "http2": self._http2,
            "websocket": self._websocket,
            "upload": self._upload,
        }

    def start(self) -> None:
        for kind, run in self.kinds().items():
            for _ in range(1 if kind == "new" else 3):
                thread = threading.Thread(target=self._run, args=(kind, run), daemon=True)
                thread.start()
                self._threads.append(thread)

    def stop(self) -> None:
        self._is_over.set()
        for each in self._threads:
            each.join(60)
            assert not each.is_alive(), "a client hangs"

    def _run(self, kind: str, run: Callable[[], None]) -> None:
        threading.current_thread().name = kind
        try:
            run()
        except Exception as error:
            self.failures.append(f"{kind}: {type(error).__name__}: {error}")

    def _seen(self, name: str | None) -> None:
        self.count += 1
        self.names.setdefault(threading.current_thread().name, set()).add(name or "")

    def _new(self) -> None:
        while not self._is_over.wait(PAUSE):
            connection = http.client.HTTPConnection(self.address, 80, timeout=SECONDS)
            self._get(connection)
            connection.close()

    def _kept(self, is_tls: bool = False) -> None:
        connection = (
            http.client.HTTPSConnection(self.address, 443, timeout=SECONDS, context=self._context)
            if is_tls
            else http.client.HTTPConnection(self.address, 80, timeout=SECONDS)
        )
        connection.connect()
        own = connection.sock.getsockname()
        while not self._is_over.wait(PAUSE):
            self._get(connection)
            assert connection.sock is not None, "the connection was ended"
            assert connection.sock.getsockname() == own, "not the same connection"

    def _get(self, connection: http.client.HTTPConnection) -> None:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"hello"), answer.status
        self._seen(answer.headers["host-name"])

    def _http2(self) -> None:
        """Send requests on one connection with a minimal client: HAProxy answers each with HEADERS and DATA."""
        context = ssl._create_unverified_context()
        context.set_alpn_protocols(["h2"])
        with context.wrap_socket(socket.create_connection((self.address, 443), SECONDS)) as connection:
            assert connection.selected_alpn_protocol() == "h2"
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0))
            stream = 1
            # :method GET, :scheme https, :path /, and :authority as a literal of one letter
            block = bytes([0x82, 0x87, 0x84, 0x01, 1]) + b"a"
            while not self._is_over.wait(PAUSE):
                connection.sendall(_frame(1, 0x5, stream, block))  # END_STREAM, END_HEADERS
                body, ended = b"", False
                while not ended:
                    kind, flags, about, data = _received(connection)
                    assert kind not in (3, 7), "the connection is ended"
                    if kind == 4 and not flags & 1:
                        connection.sendall(_frame(4, 1, 0))
                    if kind == 6 and not flags & 1:
                        connection.sendall(_frame(6, 1, 0, data))
                    if about == stream:
                        body += data if kind == 0 else b""
                        ended = bool(flags & 1)
                assert body == b"hello", body
                self._seen(None)
                stream += 2

    def _websocket(self) -> None:
        with socket.create_connection((self.address, 80), SECONDS) as connection:
            connection.sendall(
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 101"), answer
            while not self._is_over.wait(PAUSE):
                word = os.urandom(32)
                connection.sendall(word)
                assert _exactly(connection, len(word)) == word
                self._seen(None)

    def _upload(self) -> None:
        """Send one body for as long as the move lasts: its length is not known before, so pieces of it are."""
        while not self._is_over.is_set():
            pieces = 60
            digest = hashlib.sha256(CHUNK * pieces).hexdigest().encode()
            with socket.create_connection((self.address, 80), SECONDS) as connection:
                length = len(CHUNK) * pieces
                connection.sendall(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode())
                for _ in range(pieces):
                    connection.sendall(CHUNK)
                    time.sleep(PAUSE)
                answer = b""
                while digest not in answer:
                    data = connection.recv(4096)
                    assert data, answer
                    answer += data
                self._seen(None)


def _frame(kind: int, flags: int, stream: int, data: bytes = b"") -> bytes:
    return len(data).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + data


def _received(connection: socket.socket) -> tuple[int, int, int, bytes]:
    head = _exactly(connection, 9)
    return head[3], head[4], int.from_bytes(head[5:], "big"), _exactly(connection, int.from_bytes(head[:3], "big"))


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        assert more, "the connection was ended"
        data += more
    return data
