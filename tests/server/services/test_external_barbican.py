"""An external Barbican: one request of a client leads to a bounded number of requests to it."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lbclient.server.access.context import Context
from lbclient.server.errors import BadRequest
from lbclient.server.external import barbican
from lbclient.server.external.barbican import Barbican
from lbclient.store.store import Store
from lbclient.vault.sealing import Vault

WHO = Context("user", "project", frozenset({"member"}))
SECRET, CONTAINER = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))


class Answers(BaseHTTPRequestHandler):
    """Every secret exists, and a container that has the same one thousands of times."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self) -> None:
        Answers.asked += 1
        if self.path == f"/v1/containers/{CONTAINER}":
            refs = [{"name": str(number), "secret_ref": f"http://h/v1/secrets/{SECRET}"} for number in range(5000)]
            return self._say(200, json.dumps({"type": "generic", "secret_refs": refs}))
        if CONTAINER in self.path:
            return self._say(404, "{}")
        if self.path.endswith("/payload"):
            return self._say(200, "payload")
        return self._say(200, json.dumps({"content_types": {"default": "text/plain"}}))

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Answers.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "references",
    [
        [f"http://h/v1/containers/{CONTAINER}"],
        [f"http://h/v1/secrets/{uuid.UUID(int=number)}" for number in range(3, 1000)],
    ],
)
def test_the_requests_to_barbican_are_bounded(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, references: list[str]
) -> None:
    monkeypatch.setattr(barbican, "MOST", 100)
    store = Store(f"sqlite:///{tmp_path}/state.db", Vault(tmp_path / "keys"))
    store.migrate()
    with pytest.raises(BadRequest, match="use fewer certificates"):
        Barbican(url, store).copy(WHO, "token", {"listener": {"sni_container_refs": references}})
    store.close()
    assert Answers.asked == 100
