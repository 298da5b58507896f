"""Requests of agents stay within the limits of their server."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from agents import Hosts
from lbclient.agent.connection import Unreachable
from lbclient.agent.distant import DistantControlPlane
from lbclient.resources import STATISTICS
from lbclient.server.agents.api import AgentApi
from lbclient.server.agents.hub import Hub
from lbclient.server.web.limits import BODY_MAXIMUM
from lbclient.store.store import Store
from lbclient.vault.authority import Authority
from lbclient.vault.sealing import Vault


def test_a_token_that_is_not_valid_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(f"sqlite:///{tmp_path}/state.db", Vault(tmp_path / "keys"))
    store.migrate()
    nothing: Any = None
    api = AgentApi(store, Hub(), nothing, nothing, Authority(tmp_path / "hosts"))
    monkeypatch.setattr(store, "writing", nothing)  # calling it would fail
    begun: list[str] = []
    body = io.BytesIO(orjson.dumps({"token": "f" * 32, "request": "x"}))
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/agent/v1/enroll", "REMOTE_ADDR": "::1", "wsgi.input": body}
    [answer] = api(environ, lambda status, headers: begun.append(status))
    store.close()
    assert begun == ["403 "]
    assert b"not valid" in answer


class Server:
    """The server of an agent, which keeps what it is told, and does not answer one of the requests."""

    def __init__(self, fails_at: int) -> None:
        self.totals: list[dict[str, Any]] = []
        self._fails_at = fails_at

    def post(self, path: str, values: Any) -> None:
        self._fails_at -= 1
        if self._fails_at == 0:
            raise Unreachable("no answer")
        assert (path, len(orjson.dumps(values)) < BODY_MAXIMUM / 2) == ("/beat", True)
        self.totals.append(values["totals"])


def test_the_totals_of_many_members_are_sent_in_portions() -> None:
    server: Any = Server(fails_at=3)
    plane = DistantControlPlane(server, lambda: None)
    plane.beat()
    counted = dict.fromkeys(STATISTICS, 2**40)
    wanted = {f"lb{number}": {f"{number}-{part:034}": counted for part in range(12_000)} for number in range(2)}
    plane.all_counted(wanted)
    with pytest.raises(Unreachable):
        plane.beat()
    newer = {"lb1": dict.fromkeys(wanted["lb1"], dict.fromkeys(STATISTICS, 2**41))}
    plane.all_counted(newer)
    plane.beat()
    told: dict[str, dict[str, Any]] = {}
    for portion in server.totals:
        for id_, parts in portion.items():
            told.setdefault(id_, {}).update(parts)
    assert told == {**wanted, **newer}
    assert server.totals[0] == {}


def test_without_a_certificate_bodies_are_small(hosts: Hosts) -> None:
    address = f"https://127.0.0.1:{hosts.port}/agent/v1/enroll"
    with pytest.warns(Warning, match="Unverified"):
        answer = requests.post(address, data=b" " * 70_000, verify=False, timeout=30)
    assert answer.status_code == 413
