"""Faults around a running HAProxy: each has a state and a reason, and is repaired without help."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from instances import binary
from members import until
from world import DataPlaneRig, get, member, web

from lbclient import files
from lbclient.dataplane.config.render import ADMIN_SOCKET
from lbclient.dataplane.haproxy import counters, process, process_table
from lbclient.dataplane.observe import observation, observer
from lbclient.store.observed_tables import EVENT

MONITOR = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1, "url_path": "/health"}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short intervals: faults that cause no event are found within a second."""
    monkeypatch.setattr(observer, "IDLE", 0.5)
    monkeypatch.setattr(observer, "PATIENCE", 0.3)
    monkeypatch.setattr(process, "HUNG_SECONDS", 1.0)


@pytest.fixture
def port(world: DataPlaneRig, webs) -> int:
    """Of a load balancer that serves."""
    (one,) = webs("one")
    tree = web(members={"m1": member(one)})
    world.change(tree)
    until(lambda: world.operating() == "ONLINE")
    return tree["listeners"]["web"]["protocol_port"]


START = ("apply", None, "started", None)


def serves(port: int) -> bool:
    try:
        return get(port).status == 200
    except OSError:
        return False


def told(world: DataPlaneRig) -> list[tuple[str, str | None, str | None, str | None]]:
    """Return the events of the load balancer itself."""
    wanted = sa.select(EVENT).where(EVENT.c.resource == "loadbalancer").order_by(EVENT.c.serial)
    with world.store.reading() as tx:
        return [(row.action, row.status, row.how, row.reason) for row in tx.execute(wanted)]


def test_a_hung_haproxy_is_an_error_with_a_reason_and_replaced(
    world: DataPlaneRig, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "HUNG_SECONDS", 2.0)
    os.kill(world.worker(), signal.SIGSTOP)
    until(lambda: ("observe", "ERROR", None, "HAProxy does not answer.") in told(world))
    until(lambda: world.operating() == "ONLINE", seconds=20)
    assert serves(port)
    assert told(world).count(START) == 2
    assert world.provisioning() == "ACTIVE"


def test_a_socket_that_is_gone(world: DataPlaneRig, port: int) -> None:
    (world.instance.directory / ADMIN_SOCKET).unlink()
    until(lambda: told(world).count(START) == 2, seconds=20)
    until(lambda: world.operating() == "ONLINE")
    assert serves(port)


def test_a_directory_that_is_gone(world: DataPlaneRig, port: int) -> None:
    shutil.rmtree(world.instance.directory)
    until(lambda: told(world).count(START) == 2, seconds=20)
    until(lambda: world.operating() == "ONLINE")
    assert serves(port)
    assert len(process_table.family(world.instance.directory)) == 2


def test_a_socket_for_alarms_that_is_gone_costs_only_time(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    world.change(web(members={"m1": member(one)}, healthmonitor=MONITOR))
    until(lambda: world.operating("member", "m1") == "ONLINE")
    socket = world.instance.directory / "alarms.sock"
    until(socket.exists)
    socket.unlink()
    one.down()
    until(lambda: world.operating("member", "m1") == "ERROR")


def test_counters_that_cannot_be_saved_hide_nothing(
    world: DataPlaneRig, port: int, webs, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.instance.directory / counters.FILE
    write = files.replace

    def fail(file: Path, *arguments: Any, **options: Any) -> None:
        if Path(file) == path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, *arguments, **options)

    with monkeypatch.context() as full:
        full.setattr(files, "replace", fail)
        get(port)
        world.observer.observe_now(world.id)
        assert sum(each["total_connections"] for each in world.store.totals(world.id).values()) == 1
        world.change({"loadbalancer": {"admin_state_up": False}})
        until(lambda: world.operating() == "OFFLINE")
    path.unlink(missing_ok=True)
    world.change({"loadbalancer": {"admin_state_up": True}})
    get(port)
    world.observer.observe_now(world.id)
    assert path.exists()


def test_a_store_that_fails_is_told_again(world: DataPlaneRig, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise sa.exc.OperationalError("", {}, Exception("disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr(observation.Observation, "_observe", fail)
        broken.setattr(world.store, "all_counted", fail)
        get(port)
        world.observer.observe_now(world.id)
    world.observer.observe_now(world.id)
    until(lambda: sum(each["total_connections"] for each in world.store.totals(world.id).values()) == 1)


@pytest.fixture
def movable(tmp_path: Path) -> Iterator[tuple[DataPlaneRig, Path]]:
    """A world whose HAProxy can be taken away."""
    path = tmp_path / "haproxy-binary"
    path.symlink_to(binary())
    made = DataPlaneRig(tmp_path, str(path))
    yield made, path
    made.close()


def test_a_haproxy_that_is_missing_when_it_is_needed(movable: tuple[DataPlaneRig, Path], webs) -> None:
    world, path = movable
    (one,) = webs("one")
    path.unlink()
    tree = web(members={"m1": member(one)})
    assert world.change(tree) == "ERROR"
    assert world.fault() == "HAProxy cannot be run: No such file or directory."
    path.symlink_to(binary())
    until(lambda: world.provisioning() == "ACTIVE")
    assert world.fault() is None
    assert serves(tree["listeners"]["web"]["protocol_port"])
