"""Servers in front of ours that tell less than it does, as an Octavia or an older one would."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any


class Less(http.server.BaseHTTPRequestHandler):
    """An Octavia has no statistics of members; an old one has no tags, or takes no additive_only."""

    target = ""
    has_tags = True
    is_additive = True

    def do_any(self) -> None:
        if "/members/" in self.path and self.path.endswith("/stats"):
            return self.reply(404, json.dumps({"code": 404, "title": "Not Found", "description": ""}).encode())
        if "additive_only" in self.path and not self.is_additive:
            return self.reply(400, json.dumps({"faultstring": 'Unknown argument: "additive_only"'}).encode())
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length")}
        request = urllib.request.Request(self.target + self.path, body, kept, method=self.command)
        try:
            with urllib.request.urlopen(request) as answer:
                self.reply(answer.status, self.aged(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                self.reply(error.code, self.silenced(error.read()))

    @staticmethod
    def silenced(content: bytes) -> bytes:
        """An error as Octavia words it: nothing beside the fault."""
        fault = json.loads(content)
        fault.pop("holder", None)
        return json.dumps(fault).encode()

    def aged(self, content: bytes) -> bytes:
        if self.has_tags or not content:
            return content
        answer = json.loads(content)
        for one in [*answer.get("members", []), answer.get("member", {})]:
            one.pop("tags", None)
        return json.dumps(answer).encode()

    def reply(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""

    do_GET = do_POST = do_PUT = do_DELETE = do_any


@contextlib.contextmanager
def older(url: str, **facts: Any) -> Iterator[str]:
    """The address of a load-balancer service in front of the server at that URL."""
    handler = type("Handler", (Less,), {"target": url, **facts})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/load-balancer"
    finally:
        server.shutdown()
        server.server_close()
