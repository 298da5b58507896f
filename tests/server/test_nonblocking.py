"""Reads are answered on the event loop, and wait neither for writes nor for reads that take long."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from fake_dataplane import FakeDataPlane
from lbclient.dataplane.support import unsupported
from lbclient.server import app
from lbclient.server.access.enforcer import Enforcer
from lbclient.server.config import Config
from lbclient.server.services import Services
from lbclient.server.web.asgi import LONG_THREADS
from lbclient.server.web.server import Server
from lbclient.store.store import Store
from running import wait_until

PLACE = {"vip_subnet_id": "11111111-1111-4111-8111-111111111111", "project_id": "a" * 32}
DEADLINE = 20.0  # s
MANY = 6


class Place:
    """A server in this process, asked over sockets."""

    def __init__(self, state: Path) -> None:
        config = Config(
            state_directory=state, auth="noauth", network="noop", default_provider="noop_driver", busy_wait=DEADLINE
        )
        self.database = state / "state.db"
        self.store = Store(f"sqlite:///{self.database}")
        self.store.migrate()
        tokens: Any = SimpleNamespace()  # no request needs one
        self.services = Services(
            self.store,
            tokens,
            config,
            FakeDataPlane(refusal=lambda found: unsupported(found, "haproxy")),
            Enforcer(None),
        )
        self.threads: dict[str, list[str]] = {}  # in which each path was answered, by name, also in vain
        self.server = Server(
            self._noting(app.build(self.services)), "127.0.0.1", 0, MANY, app.quick_requests(self.services)
        )
        self._url = f"http://127.0.0.1:{self.server.bind()}/v2.0/lbaas"
        self.server.start()
        self._others = ThreadPoolExecutor(MANY)

    def _noting(self, application: Callable[..., Any]) -> Callable[..., Any]:
        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
            thread = threading.current_thread().name.partition("_")[0]
            self.threads.setdefault(environ["PATH_INFO"].removeprefix("/v2.0/lbaas"), []).append(thread)
            return application(environ, start)

        return answer

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(method, self._url + path, json=body, timeout=DEADLINE)

    def create(self, **values: str) -> requests.Response:
        return self.ask("POST", "/loadbalancers", {"loadbalancer": PLACE | values})

    def names(self) -> list[str]:
        return [each["name"] for each in self.ask("GET", "/loadbalancers").json()["loadbalancers"]]

    def meanwhile(self, call: Callable[[], requests.Response]) -> Future[requests.Response]:
        return self._others.submit(call)

    def end(self) -> None:
        self.server.stop()
        self._others.shutdown()
        self.store.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.end()


def settle(place: Place, loadbalancer_id: str) -> None:
    """As the data plane does when a change has taken effect."""
    snapshot = place.store.snapshot(loadbalancer_id)
    assert snapshot is not None
    place.store.settle(snapshot, None)


@contextmanager
def held_here(place: Place) -> Iterator[None]:
    with place.store.writing():
        yield


@contextmanager
def held_by_another_program(place: Place) -> Iterator[None]:
    with closing(sqlite3.connect(place.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize("held", [held_here, held_by_another_program])
def test_whoever_reads_does_not_wait_for_a_write(
    place: Place, held: Callable[[Place], AbstractContextManager[None]]
) -> None:
    place.create(name="first")
    with held(place):
        creation = place.meanwhile(lambda: place.create(name="second"))
        for _ in range(3):
            assert place.names() == ["first"]
        assert not creation.done()
    assert creation.result(DEADLINE).status_code == 201
    assert place.names() == ["first", "second"]
    assert place.create(name="third").status_code == 201  # the next one does not find the database busy at once


def test_whoever_reads_does_not_wait_for_a_turn(place: Place) -> None:
    """A load balancer that HAProxy carries is PENDING until that is done."""
    made = place.create(provider="octavia").json()["loadbalancer"]
    path = f"/loadbalancers/{made['id']}"
    change = place.meanwhile(lambda: place.ask("PUT", path, {"loadbalancer": {"name": "changed"}}))
    for _ in range(3):
        assert place.ask("GET", path).json()["loadbalancer"]["provisioning_status"] == "PENDING_CREATE"
    assert not change.done()
    settle(place, made["id"])
    answer = change.result(DEADLINE)
    assert (answer.status_code, answer.json()["loadbalancer"]["name"]) == (200, "changed")


def test_nobody_is_answered_before_it_is_on_the_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.create(name="first")
    may_end = threading.Event()

    def write(descriptor: int) -> None:
        assert may_end.wait(DEADLINE)

    monkeypatch.setattr(os, "fdatasync", write)
    creations = [place.meanwhile(lambda: place.create(name="one")) for _ in range(MANY)]
    deadline = time.monotonic() + DEADLINE
    while len(place.names()) < 1 + MANY:  # all are committed, and requests see them
        assert time.monotonic() < deadline
    assert not any(each.done() for each in creations)
    may_end.set()
    assert [each.result(DEADLINE).status_code for each in creations] == [201] * MANY


def test_a_disk_that_fails_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        answer = place.create(name="perhaps")
    assert (answer.status_code, answer.json()["faultcode"]) == (503, "Server")
    assert answer.json()["faultstring"] == "The database cannot be written: Input/output error."
    assert place.create(name="surely").status_code == 201
    found = place.ask("GET", "/loadbalancers").json()["loadbalancers"]
    assert {(each["name"], each["provisioning_status"]) for each in found} >= {("surely", "ACTIVE")}
    assert {each["provisioning_status"] for each in found} == {"ACTIVE"}


def test_a_load_balancer_with_many_parts_is_created_and_settled(place: Place) -> None:
    policies = [{"action": "REJECT", "position": 1} for _ in range(60)]
    members = [{"address": f"10.0.0.{number}", "protocol_port": 80} for number in range(1, 61)]
    pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    listener = {"protocol": "HTTP", "protocol_port": 80, "l7policies": policies, "default_pool": pool}
    answer = place.ask("POST", "/loadbalancers", {"loadbalancer": {**PLACE, "listeners": [listener]}})
    assert answer.status_code == 201, answer.text
    made = answer.json()["loadbalancer"]
    listener_id, pool_id = made["listeners"][0]["id"], made["pools"][0]["id"]
    policy = {"listener_id": listener_id, "action": "REJECT", "position": 1}
    assert place.ask("POST", "/l7policies", {"l7policy": policy}).status_code == 201
    found = place.ask("GET", f"/pools/{pool_id}/members").json()["members"]
    assert {each["operating_status"] for each in found} == {"NO_MONITOR"}
    monitor = {"pool_id": pool_id, "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3}
    assert place.ask("POST", "/healthmonitors", {"healthmonitor": monitor}).status_code == 201
    found = place.ask("GET", f"/pools/{pool_id}/members").json()["members"]
    assert {(each["operating_status"], each["provisioning_status"]) for each in found} == {("ONLINE", "ACTIVE")}


def test_whoever_comes_after_a_deletion_waits_for_its_end(place: Place) -> None:
    made = place.create(provider="octavia").json()["loadbalancer"]
    path = f"/loadbalancers/{made['id']}"
    settle(place, made["id"])
    assert place.ask("DELETE", path).status_code == 204
    late = place.meanwhile(lambda: place.ask("PUT", path, {"loadbalancer": {"name": "late"}}))
    assert place.ask("GET", path).json()["loadbalancer"]["provisioning_status"] == "PENDING_DELETE"
    assert not late.done()
    settle(place, made["id"])
    assert late.result(DEADLINE).status_code == 404


def test_the_log_does_not_grow_for_ever(place: Place) -> None:
    for _ in range(60):
        last = place.create().json()["loadbalancer"]["id"]
    wait_until(lambda: last.encode() in place.database.read_bytes(), DEADLINE)
    with closing(sqlite3.connect(place.database)) as other:
        other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()  # the end of the one that is under way
        assert place.create().status_code == 201
        _, pages, _ = other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert 0 <= pages < 200  # it has begun again, as all of it was in the database


def filled(place: Place, count: int) -> tuple[str, str]:
    """A load balancer with so many members, and its pool, by path."""
    members = [{"address": f"10.1.{n >> 8}.{n & 255}", "protocol_port": 80, "name": f"m{n}"} for n in range(count)]
    pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
    made = place.ask("POST", "/loadbalancers", {"loadbalancer": {**PLACE, "listeners": [listener]}}).json()
    return f"/loadbalancers/{made['loadbalancer']['id']}", f"/pools/{made['loadbalancer']['pools'][0]['id']}"


def test_what_takes_long_leaves_the_thread_that_reads_requests(place: Place) -> None:
    """By what the database has to do, whatever is asked for, and with the same answer."""
    balancer, pool = filled(place, 2000)
    assert place.threads["/loadbalancers"] == ["long"]  # its body is large
    small, few = filled(place, 3)
    for large, tiny in ((f"{pool}/members", f"{few}/members"), (f"{balancer}/status", f"{small}/status"), (pool, few)):
        assert place.ask("GET", large).status_code == place.ask("GET", tiny).status_code == 200
        assert (place.threads[large], place.threads[tiny]) == (["http", "long"], ["http"])
    found = place.ask("GET", f"{pool}/members").json()["members"]
    assert [each["name"] for each in found] == [f"m{n}" for n in range(1000)]
    for _ in range(100):  # many that are small are not one that is large
        place.ask("GET", f"{few}/members")
    assert set(place.threads[f"{few}/members"]) == {"http"}


def test_small_requests_are_answered_while_all_threads_for_long_ones_are_busy(place: Place) -> None:
    _, pool = filled(place, 800)
    small, _ = filled(place, 3)
    may_end = threading.Event()
    blocked = [place.server._bridge._long._pool.submit(may_end.wait, DEADLINE) for _ in range(LONG_THREADS)]
    lists = [place.meanwhile(lambda: place.ask("GET", f"{pool}/members")) for _ in range(4)]
    for _ in range(3):
        assert place.ask("GET", small).status_code == 200
        assert place.ask("PUT", small, {"loadbalancer": {"name": "changed"}}).status_code == 200
    assert not any(each.done() for each in lists)
    may_end.set()
    assert [len(each.result(DEADLINE).json()["members"]) for each in lists] == [800] * 4
    assert all(each.result() for each in blocked)
