"""A server between clients and the real one, which remembers what was asked, and lets no change through."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

SERVICE = "/load-balancer/"
OF_THE_BODY = ("content-length", "content-type")
PASSED_ON = ("content-type", "x-subject-token", "location")

Said = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Sent:
    """A request, without what does not matter: the order of its query, how its body is spaced."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: str

    def __str__(self) -> str:
        query = "&".join("=".join(pair) for pair in self.query)
        return " ".join(filter(None, (self.method, self.path, query, self.body)))


class Recorder(http.server.ThreadingHTTPServer):
    """A server that forwards each read to the real one once, and answers changes without making them."""

    daemon_threads = True

    def __init__(self, server: str, known: Mapping[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server = urlsplit(server).netloc
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.sent: list[Sent] = []
        self.known = known  # path -> the answer to a GET, which the real server does not see
        self._said: dict[tuple[str, str, bytes], Said] = {}

    def taken(self) -> list[Sent]:
        """Return the requests to any service since the last call."""
        taken, self.sent = self.sent, []
        return taken

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Said:
        parts = urlsplit(path)
        content = json.dumps(json.loads(body), sort_keys=True, ensure_ascii=False) if body else ""
        self.sent.append(Sent(method, parts.path, tuple(sorted(parse_qsl(parts.query, True))), content))
        if method == "GET" and parts.path in self.known:
            return 200, {"content-type": "application/json"}, json.dumps(self.known[parts.path]).encode()
        if method == "GET" or not parts.path.startswith(SERVICE):
            return self._ask(method, path, headers, body)
        if method == "DELETE":
            return 204, {}, b""
        if method == "PUT":
            return self._ask("GET", parts.path, headers, b"") if body else (202, {}, b"")
        return self._made(parts.path, headers, next(iter(json.loads(body))))

    def _made(self, path: str, headers: dict[str, str], key: str) -> Said:
        """One that exists, as if it were the new one."""
        _, _, content = self._ask("GET", path, headers, b"")
        [existing] = [value for value in json.loads(content).values() if value][:1]
        return 201, {"content-type": "application/json"}, json.dumps({key: existing[0]}).encode()

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Said:
        key = (method, path, body)
        if key not in self._said:
            connection = http.client.HTTPConnection(self.server, timeout=30)
            asked = {name: value for name, value in headers.items() if body or name.lower() not in OF_THE_BODY}
            connection.request(method, path, body or None, asked)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() in PASSED_ON}
            self._said[key] = (answer.status, kept, answer.read())
            connection.close()
        return self._said[key]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # an answer in one piece: two would wait for each other
    server: Recorder

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        status, more, content = self.server.answer(self.command, self.path, headers, body)
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _handle

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def recorder(server: str, known: Mapping[str, Any]) -> Iterator[Recorder]:
    recording = Recorder(server, known)
    threading.Thread(target=recording.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield recording
    finally:
        recording.shutdown()
        recording.server_close()
