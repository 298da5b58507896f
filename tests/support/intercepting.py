"""A relay before the server: it notes what is asked, and refuses what an older server cannot do."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class InterceptingProxy:
    """A proxy that records requests, and can refuse or alter some as other servers would."""

    url: str = ""
    takes_parts: bool = True  # of a load balancer, in the request that creates it
    drops_parts: bool = False  # makes the load balancer without them, and says nothing
    takes_batches: bool = True  # of members
    fails_at: str = ""  # the end of a path that no POST gets through to
    asked: list[tuple[str, str, Any]] = field(default_factory=list)  # method, path, body

    @property
    def changes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path, _ in self.asked if method != "GET"]

    def refusal(self, method: str, path: str, body: Any) -> dict[str, str] | None:
        parts = set(body.get("loadbalancer", {})) & {"listeners", "pools"} if isinstance(body, dict) else set()
        if method == "POST" and parts and not self.takes_parts:
            names = ", ".join(sorted(parts))
            return {"faultstring": f"Unknown attribute for argument load_balancer.loadbalancer: {names}"}
        if self.fails_at and method == "POST" and path.endswith(self.fails_at):
            return {"faultstring": "It is not to be."}
        if method == "PUT" and path.split("?")[0].endswith("/members") and not self.takes_batches:
            return {"faultstring": "The method PUT is not allowed for this resource."}
        return None

    def passed_on(self, method: str, body: Any) -> Any:
        if method == "POST" and self.drops_parts and "loadbalancer" in (body or {}):
            kept = {name: value for name, value in body["loadbalancer"].items() if name not in ("listeners", "pools")}
            return {"loadbalancer": kept}
        return body


@contextmanager
def before(server: str) -> Iterator[InterceptingProxy]:
    """A relay before the load-balancer API of a server."""
    relay = InterceptingProxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(content) if content else None
            relay.asked.append((self.command, self.path.removeprefix("/v2.0/lbaas"), body))
            refusal = relay.refusal(self.command, self.path, body)
            if refusal:
                self._answer(400, json.dumps({"faultcode": "Client", **refusal}).encode())
                return
            kept = relay.passed_on(self.command, body)
            connection = http.client.HTTPConnection(urlsplit(server).netloc)
            headers = {name: self.headers[name] for name in ("X-Auth-Token", "Content-Type") if self.headers[name]}
            sent = json.dumps(kept).encode() if kept is not None else None
            connection.request(self.command, f"/load-balancer{self.path}", sent, headers)
            answer = connection.getresponse()
            self._answer(answer.status, answer.read())
            connection.close()

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Not a word."""

        do_GET = do_POST = do_PUT = do_DELETE = _any

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    relay.url = f"http://127.0.0.1:{listening.server_address[1]}"
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield relay
    finally:
        listening.shutdown()
        listening.server_close()
