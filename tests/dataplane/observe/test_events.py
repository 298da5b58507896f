"""Health comes as events: what HAProxy tells is looked at at once, and the rest now and then."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trees
from members import until
from world import DataPlaneRig, get, member, web

from lbclient.dataplane.haproxy import process_table
from lbclient.dataplane.observe import health_events, observer, process_exits
from lbclient.dataplane.observe.health_events import HealthEvents
from lbclient.dataplane.observe.schedule import Schedule
from lbclient.store.observed_tables import CHECK, EVENT

pytestmark = pytest.mark.usefixtures("some_vips")

MONITOR = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1, "url_path": "/health"}


def events(world: DataPlaneRig, action: str = "observe") -> list[Any]:
    order = sa.select(EVENT).where(EVENT.c.action == action).order_by(EVENT.c.serial)
    with world.store.reading() as tx:
        return list(tx.execute(order))


def last_check(world: DataPlaneRig, name: str) -> Any:
    with world.store.reading() as tx:
        return tx.execute(sa.select(CHECK).where(CHECK.c.id == trees.identity(name))).one_or_none()


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked at unless something happens: what is seen has been told."""
    monkeypatch.setattr(observer, "SOON", 60.0)
    monkeypatch.setattr(observer, "BUSY", 60.0)
    monkeypatch.setattr(observer, "IDLE", 60.0)


def test_a_member_that_falls_ill_is_told_of_at_once(seldom: None, world: DataPlaneRig, webs) -> None:
    one, two = webs("one", "two")
    world.change(web(members={"m1": member(one), "m2": member(two)}, healthmonitor=MONITOR))
    until(lambda: world.operating("member", "m1") == "ONLINE")
    one.health = 500
    until(lambda: world.operating("member", "m1") == "ERROR")
    assert world.operating() == "DEGRADED"
    check = last_check(world, "m1")
    assert check.status == "L7STS"
    assert check.reason.startswith("Layer7 wrong status: ")
    assert "500" in check.reason
    one.health = 200
    until(lambda: world.operating("member", "m1") == "ONLINE")
    assert last_check(world, "m1").status == "L7OK"
    mine = [each for each in events(world) if each.resource_id == trees.identity("m1")]
    assert [each.status for each in mine][-2:] == ["ERROR", "ONLINE"]
    assert mine[-2].reason == check.reason


def test_what_is_told_is_in_the_store_within_half_a_second(seldom: None, world: DataPlaneRig, webs) -> None:
    """Of HAProxy's own finding, which it tells in the same moment."""
    (one,) = webs("one")
    world.change(web(members={"m1": member(one)}, healthmonitor=MONITOR))
    until(lambda: last_check(world, "m1"))  # it has been checked once, and was found to be up
    assert world.operating("member", "m1") == "ONLINE"
    one.down()
    until(lambda: last_check(world, "m1").status == "L4CON")
    heard = time.monotonic()
    until(lambda: world.operating("member", "m1") == "ERROR")
    assert time.monotonic() - heard < 0.5
    until(lambda: world.operating() == "ERROR")
    [told] = [each for each in events(world) if each.resource == "loadbalancer" and each.status == "ERROR"]
    assert told.reason == f"Pool {trees.identity('pool')}: no member is up."


def test_a_killed_haproxy_is_noticed_at_once(seldom: None, world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"m1": member(one)})
    world.change(tree)
    world.observer.observe_now(world.id)
    time.sleep(1.1)  # it is started again no more often than this
    os.kill(world.worker(), signal.SIGKILL)
    until(lambda: _answers(tree["listeners"]["web"]["protocol_port"]), seconds=3)
    until(lambda: [each.how for each in events(world, "apply")] == ["started", "started"])


def _answers(port: int) -> bool:
    try:
        return get(port).status == 200
    except OSError:
        return False


def test_what_a_check_found_outlives_the_one_who_checks(world: DataPlaneRig, webs) -> None:
    """A new one has found nothing in its first moment: what is stored stays, and since when."""
    (one,) = webs("one")
    monitor = {**MONITOR, "delay": 60, "timeout": 2}
    world.change(web(members={"m1": member(one)}, healthmonitor=monitor))
    before = until(lambda: last_check(world, "m1"))
    for pid in process_table.family(world.instance.directory):
        os.kill(pid, signal.SIGKILL)
    until(lambda: [each.how for each in events(world, "apply")] == ["started", "started"])
    world.observer.observe_now(world.id)
    assert last_check(world, "m1") == before


def test_without_being_told_it_is_looked_at_more_often(
    world: DataPlaneRig, webs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int) -> int:
        raise OSError

    monkeypatch.setattr(process_exits.os, "pidfd_open", refuse)
    (one,) = webs("one")
    tree = web(members={"m1": member(one)})
    world.change(tree)
    world.observer.observe_now(world.id)
    for pid in process_table.family(world.instance.directory):
        os.kill(pid, signal.SIGKILL)
    until(lambda: _answers(tree["listeners"]["web"]["protocol_port"]), seconds=5)


def test_a_look_is_in_the_store_when_it_is_over(seldom: None, world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"m1": member(one)})
    world.change(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    for number in range(1, 6):
        get(port)
        world.observer.observe_now(world.id)
        assert world.store.totals(world.id)[trees.identity("web")]["total_connections"] == number
    start = time.monotonic()
    world.observer.observe_now("00000000-0000-4000-8000-000000000000")
    assert time.monotonic() - start < 1


def test_an_idle_one_is_looked_at_seldom(world: DataPlaneRig, webs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "SOON", 0.01)
    monkeypatch.setattr(observer, "BUSY", 0.1)
    monkeypatch.setattr(observer, "IDLE", 0.5)
    (one,) = webs("one")
    world.change(web(members={"m1": member(one)}))
    until(lambda: world.observer._paces.get(world.id) == 0.5)


def test_one_that_is_taken_over_is_looked_at_at_once_and_not_soon_again(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    world.change(web(members={"m1": member(one)}))
    world.observer.observe_now(world.id)
    world.crash()
    world.begin()
    until(lambda: world.observer._paces.get(world.id, 0.0) >= 2 * observer.BUSY)
    assert world.reconciler.state(world.id).outcome.how == "nothing"


def test_a_member_without_a_monitor_has_no_check(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    world.change(web(members={"m1": member(one)}, healthmonitor=MONITOR))
    until(lambda: last_check(world, "m1"))
    world.change({"pools": {"pool": {"healthmonitor": {"admin_state_up": False}}}})
    until(lambda: last_check(world, "m1") is None)


PASSED = (
    b"<133>Nov 23 12:00:53 haproxy[1]: Health check for server p/one succeeded, reason: Layer7 check passed, "
    b"code: 200, check duration: 1ms, status: 2/2 UP.\n"
)


def test_alarms_that_do_not_fit_into_the_queue_are_told_of_by_those_that_do(tmp_path: Path) -> None:
    selector = selectors.DefaultSelector()
    heard: list[str] = []
    told = HealthEvents(selector, tmp_path, heard.append, lambda id_: heard.append(f"small: {id_}"))
    for id_ in ("one", "two"):
        (tmp_path / id_).mkdir()
        told.watch(id_)
        told.watch(id_)
    told.watch("missing")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as haproxy:
        haproxy.setblocking(False)
        haproxy.connect(str(tmp_path / "one" / health_events.HEALTH_EVENTS_SOCKET))
        with contextlib.suppress(BlockingIOError):
            while True:
                haproxy.send(PASSED)
        tell(selector)
        assert heard == ["one"]  # what was dropped may have been more than this
        tell(selector)
        assert heard == ["one"]  # no other one is asked, and none twice
        haproxy.send(PASSED)
        tell(selector)
        assert heard == ["one", "small: one"]
        for more in (
            b"Server p/one is DOWN.\n",
            PASSED.replace(b"UP", b"DOWN"),
            PASSED.replace(b"succeeded", b"failed"),
        ):
            haproxy.send(PASSED)
            haproxy.send(more)
            tell(selector)
        assert heard == ["one", "small: one", "one", "one", "one"]
    told.forget("two")
    told.close()
    again = HealthEvents(selector, tmp_path, heard.append, heard.append)
    again.watch("one")  # where a server that was killed has left its socket
    again.close()
    selector.close()


def tell(selector: selectors.BaseSelector) -> None:
    for key, _ in selector.select(0):
        key.data()


def test_a_schedule() -> None:
    times = Schedule(grid=0.5)
    assert times.first() is None
    times.at("a", 1.2)
    times.at("a", 3.0)  # later than promised
    times.at("b", 1.4)
    times.at("c", 2.0)
    assert times.first() == 1.5
    assert sorted(times.take(1.5)) == ["a", "b"]
    times.now("c")
    times.forget("d")
    assert times.take(1.5) == ["c"]
    assert (times.first(), times.take(9.9)) == (None, [])
