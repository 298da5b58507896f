"""The server lacks descriptors for a while, or something in it fails: nothing stays unseen afterwards."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from members import until
from world import DataPlaneRig, get, member, web

from lbclient.dataplane.haproxy import process_table, runtime
from lbclient.dataplane.observe import icmp, observation, observer, traffic_log
from lbclient.dataplane.observe.echoes import Echoes
from lbclient.dataplane.observe.traffic_files import TrafficFiles, read
from lbclient.dataplane.observe.traffic_log import TrafficLogs
from lbclient.dataplane.reconcile import Reconciler

MONITOR = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1, "url_path": "/health"}
FAILED = "could not be observed"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "IDLE", 0.3)
    monkeypatch.setattr(observer, "BUSY", 0.3)
    monkeypatch.setattr(observer, "REST", 0.1)


@contextmanager
def no_descriptors() -> Iterator[None]:
    """This process can open nothing."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each) for each in os.listdir("/proc/self/fd"))
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, before[1]))
    try:
        try:
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError as error:
            assert error.errno == errno.EMFILE  # noqa: PT017
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for each in taken:
            os.close(each)


def serve(world: DataPlaneRig, webs) -> tuple[Any, int]:
    (one,) = webs("one")
    tree = web(members={"m1": member(one)}, healthmonitor=MONITOR)
    world.change(tree)
    until(lambda: world.operating("member", "m1") == "ONLINE")
    return one, tree["listeners"]["web"]["protocol_port"]


def test_without_descriptors_nothing_is_condemned_and_afterwards_everything_is_seen(
    world: DataPlaneRig, webs, caplog: pytest.LogCaptureFixture
) -> None:
    one, port = serve(world, webs)
    directory = world.directory / world.id
    before = set(process_table.family(directory))
    with no_descriptors():
        until(lambda: caplog.text.count(FAILED) >= 5)
    assert world.operating() == "ONLINE"
    assert world.provisioning() == "ACTIVE"
    assert set(process_table.family(directory)) == before, "a running HAProxy was replaced"
    one.health = 500
    until(lambda: world.operating("member", "m1") == "ERROR")
    one.health = 200
    until(lambda: world.operating("member", "m1") == "ONLINE")
    for each in process_table.family(directory):
        os.kill(each, signal.SIGKILL)
    until(lambda: serves(port))
    until(lambda: world.operating() == "ONLINE")


def test_a_change_without_descriptors_ends_nothing_and_is_made_afterwards(world: DataPlaneRig, webs) -> None:
    _, port = serve(world, webs)
    before = set(process_table.family(world.directory / world.id))
    with no_descriptors():
        world.reconciler.wake(world.id)
        until(lambda: "Too many open files" in (world.reconciler.state(world.id).error or ""))
    assert serves(port)
    assert set(process_table.family(world.directory / world.id)) == before
    world.reconciler.wake(world.id)
    until(lambda: world.provisioning() == "ACTIVE")
    assert set(process_table.family(world.directory / world.id)) == before


def serves(port: int) -> bool:
    try:
        return get(port).status == 200
    except OSError:
        return False


def once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception) -> Callable[[], bool]:
    """Has the next call fail; whether that has happened."""
    original = getattr(owner, name)
    failed: list[bool] = []

    def run(*arguments: Any, **options: Any) -> Any:
        if not failed:
            failed.append(True)
            raise error
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, run)
    return lambda: bool(failed)


DATABASE = sa.exc.OperationalError("", {}, sqlite3.Error())
FULL = OSError(errno.EMFILE, "Too many open files")
FAULT = ValueError("a fault")
PLACES: list[tuple[Any, str, Exception]] = [
    (observer.Poll, "ask", FULL),
    (observer.Poll, "give_up", FAULT),
    (observer.Poll, "_end", FAULT),
    (observer, "_parsed", FAULT),
    (observation.Observation, "take", DATABASE),
    (observer.Observer, "_keep", DATABASE),
    (observer.Observer, "_next_pace", FAULT),
    (observer.ProcessExits, "watch", FULL),
]
AT_A_RESTART: list[tuple[Any, str, Exception]] = [
    (observer.HealthEvents, "watch", FULL),
    (observer.Observer, "_take_state", FAULT),
    (observer.Observation, "__init__", FULL),
    (Reconciler, "requeue", FAULT),
    (Reconciler, "_reconcile", FAULT),
]


def test_one_fault_anywhere_leaves_nothing_unseen(world: DataPlaneRig, webs) -> None:
    one, port = serve(world, webs)
    for owner, name, error in PLACES:
        with pytest.MonkeyPatch.context() as broken:
            has_failed = once(broken, owner, name, error)
            get(port)
            world.observer.observe_now(world.id, 0.1)
            until(has_failed)
            one.health = 700 - one.health
            until(lambda: world.operating("member", "m1") == ("ONLINE" if one.health == 200 else "ERROR"))


def test_one_fault_while_haproxy_is_started_leaves_nothing_unseen(world: DataPlaneRig, webs) -> None:
    one, port = serve(world, webs)
    for owner, name, error in AT_A_RESTART:
        with pytest.MonkeyPatch.context() as broken:
            has_failed = once(broken, owner, name, error)
            world.observer._observations.clear()
            for each in process_table.family(world.directory / world.id):
                os.kill(each, signal.SIGKILL)
            until(has_failed)
            one.health = 700 - one.health
            until(lambda: world.operating("member", "m1") == ("ONLINE" if one.health == 200 else "ERROR"))
    one.health = 200
    until(lambda: serves(port))


def test_without_another_thread_the_workers_that_there_are_go_on(
    world: DataPlaneRig, webs, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(world, webs)
    has_failed = once(monkeypatch, threading.Thread, "start", RuntimeError("can't start new thread"))
    monkeypatch.setattr(world.reconciler._queue, "has_waiting_worker", lambda: False)
    world.change({"loadbalancer": {"name": "another"}}, wait=False)
    until(has_failed)
    until(lambda: world.provisioning() == "ACTIVE", seconds=30)


OWN = "3f1c1b9e-6ff0-4f4c-8dd3-6d1f6f9f7a01"  # a load balancer
WEB = "3f1c1b9e-6ff0-4f4c-8dd3-6d1f6f9f7a02"  # its listener


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[TrafficLogs]:
    made = TrafficLogs(tmp_path)
    made.start()
    yield made
    made.stop()


def send_line(sender: socket.socket, directory: Path) -> None:
    with runtime.reachable(directory / OWN, traffic_log.TRAFFIC_SOCKET) as path:
        sender.connect(path)
    line = WEB.encode() + b' {"ts": 1}'
    sender.sendall(b"%d %b" % (len(line), line))


def test_without_descriptors_lines_wait_and_cost_nothing(
    logs: TrafficLogs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logs.watch(OWN, {WEB: 1})
    with socket.socket(socket.AF_UNIX) as sender:
        place = os.open(tmp_path / OWN, os.O_PATH)
        with no_descriptors():
            sender.connect(f"/proc/self/fd/{place}/{traffic_log.TRAFFIC_SOCKET}")
            until(lambda: "Too many open files" in caplog.text)
            time.sleep(1.0)  # a loop without a rest would log thousands of times
            assert len(caplog.records) < 20
        os.close(place)
        line = WEB.encode() + b' {"ts": 1}'
        sender.sendall(b"%d %b" % (len(line), line))
        until(lambda: [each for _, each in read(tmp_path / OWN, [WEB])] == [b'{"ts": 1}'])


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [(TrafficFiles, "keep", FULL), (TrafficLogs, "_apply", FAULT), (TrafficLogs, "_turn", FAULT)],
)
def test_one_fault_hides_no_line(
    logs: TrafficLogs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception
) -> None:
    has_failed = once(monkeypatch, owner, name, error)
    logs.watch(OWN, {WEB: 1})
    logs._wake()
    until(has_failed)
    with socket.socket(socket.AF_UNIX) as sender:
        send_line(sender, tmp_path)
        until(lambda: [each for _, each in read(tmp_path / OWN, [WEB])] == [b'{"ts": 1}'])


PING = {"type": "PING", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}


@pytest.mark.skipif(icmp.refusal() is not None, reason="this machine does not let us ping")
@pytest.mark.parametrize(
    ("owner", "name", "error"), [(icmp, "open_socket", FULL), (Echoes, "send", FAULT), (Echoes, "replies", FAULT)]
)
def test_one_fault_of_a_ping_condemns_no_member(
    world: DataPlaneRig, webs, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception
) -> None:
    (one,) = webs("one")
    sent: list[str] = []
    original = Echoes.send

    def send(self: Echoes, address: str) -> bytes:
        sent.append(address)
        return original(self, address)

    monkeypatch.setattr(Echoes, "send", send)
    monkeypatch.setattr(icmp, "refusal", lambda: None)
    has_failed = once(monkeypatch, owner, name, error)
    world.change(web(members={"m1": member(one)}, healthmonitor=PING))
    until(has_failed)
    before = len(sent)
    until(lambda: len(sent) >= before + 3, seconds=30)
    assert world.operating("member", "m1") == "ONLINE"
