"""Requests of agents stay within the limits of their server."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import requests

from agents import LBAAS, Hosts
from lbclient.agent import distant
from lbclient.agent.connection import Unreachable
from lbclient.agent.distant import DistantControlPlane
from lbclient.resources import STATISTICS
from lbclient.server.agents.api import AgentApi
from lbclient.server.agents.hub import Hub
from lbclient.server.web.limits import BODY_MAXIMUM, VALUES_MAXIMUM
from lbclient.store.store import Check, Store
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


class Reports:
    """The server of an agent, which keeps the reports, and accepts none that is larger than a server's limits."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    def post(self, path: str, values: Any) -> Any:
        body = orjson.dumps(values)
        assert len(body) < BODY_MAXIMUM
        assert sum(map(body.count, b",[{")) < VALUES_MAXIMUM
        self.kept.append(orjson.loads(body))
        return {"is_pending": False}


def test_what_is_observed_of_many_members_is_told_in_portions() -> None:
    server: Any = Reports()
    plane = DistantControlPlane(server, lambda: None)
    ids = [f"{number:036}" for number in range(70_000)]
    statuses = {("loadbalancer", "lb"): "ERROR", **{("member", id_): "ERROR" for id_ in ids}}
    reasons = {("member", id_): "Layer 7 wrong status " * 10 for id_ in ids}
    plane.observed("lb", statuses, {id_: Check("L7STS", "Layer 7 wrong status" * 10) for id_ in ids}, reasons, 3)
    told = [key[:2] for each in server.kept for key in each["statuses"]]
    assert sorted(map(tuple, told)) == sorted(statuses)
    assert [each["portion"] for each in server.kept] == list(range(len(server.kept)))
    assert {each["revision"] for each in server.kept} == {3}
    assert [id_ for each in server.kept for id_ in each["checks"]] == ids
    assert sum(len(each["reasons"]) for each in server.kept) == len(ids)
    server.kept.clear()
    plane.observed("lb", {("loadbalancer", "lb"): "ONLINE"})
    [alone] = server.kept
    assert (alone["portion"], alone["checks"]) == (None, None)


def test_a_change_of_many_members_is_settled_by_one_report_of_a_bounded_size() -> None:
    server: Any = Reports()
    plane = DistantControlPlane(server, lambda: None)
    balancer = SimpleNamespace(id="lb", revision=3, provisioning_status="PENDING_UPDATE", fault=None)
    ids = [f"{number:036}" for number in range(70_000)]
    snapshot: Any = SimpleNamespace(
        loadbalancer=balancer,
        failures={},
        unbound={},
        peers=(),
        seen=dict.fromkeys((("member", id_) for id_ in ids), 3),
    )
    wanted = {**{("member", id_): "ONLINE" for id_ in ids}, ("pool", "p"): "ONLINE"}
    assert plane.settle(snapshot, None, expect=lambda known: {**known, **wanted}) is False
    [report] = server.kept
    assert ["pool", "p", "ONLINE"] in report["statuses"]
    assert report["revision"] == 3


def _members(hosts: Hosts, count: int) -> tuple[Any, Any]:
    """A load balancer on two hosts with so many members that are checked, and its pool."""
    monitor = {"type": "TCP", "delay": 5, "timeout": 5, "max_retries": 3}
    members = [{"address": f"127.0.9.{number}", "protocol_port": 80} for number in range(1, count + 1)]
    pool = {"name": "p", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": members, "healthmonitor": monitor}
    listener = {"protocol": "TCP", "protocol_port": 8080, "default_pool": pool}
    balancer = hosts.balancer(listeners=[listener], flavor_id=hosts.pair_flavor())
    return balancer, balancer["pools"][0]


def test_portions_of_what_is_observed_are_put_together(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = hosts.play("first", 1), hosts.play("second", 2)
    balancer, pool = _members(hosts, 5)
    ids = [each["id"] for each in pool["members"]]
    first.apply(balancer)
    second.apply(balancer)
    assert hosts.statuses(balancer)[0] == "ACTIVE"
    monkeypatch.setattr(distant, "OBSERVED", 2)
    for host, other, status in ((first, second, "L4CON"), (second, first, "L4TOUT")):
        statuses = {("loadbalancer", balancer["id"]): "ERROR", **{("member", id_): "ERROR" for id_ in ids}}
        host.plane.observed(balancer["id"], statuses, {id_: Check(status, f"{status} {id_}") for id_ in ids})
        other.say("BACKUP")
        host.say("MASTER")  # what was kept of it is shown
        path = f"{LBAAS}/loadbalancers/{balancer['id']}/status"
        tree = hosts.ask("GET", path)["statuses"]["loadbalancer"]
        shown = {each["id"]: each for each in tree["listeners"][0]["pools"][0]["members"]}
        assert tree["operating_status"] == "ERROR"
        assert {id_: each["operating_status"] for id_, each in shown.items()} == dict.fromkeys(ids, "ERROR")
        assert all(f"{status} {id_}" in str(shown[id_]) for id_ in ids), shown


def test_without_a_certificate_bodies_are_small(hosts: Hosts) -> None:
    address = f"https://127.0.0.1:{hosts.port}/agent/v1/enroll"
    with pytest.warns(Warning, match="Unverified"):
        answer = requests.post(address, data=b" " * 70_000, verify=False, timeout=30)
    assert answer.status_code == 413
