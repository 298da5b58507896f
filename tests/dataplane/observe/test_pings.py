"""PING monitors of many members: each is asked in time, and none is condemned for answers that were lost here."""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from members import until
from world import DataPlaneRig, web

from lbclient.dataplane.observe import icmp
from lbclient.store.observed_tables import EVENT
from lbclient.store.tables import MEMBER
from running import RunningServer, end_server, start_server

pytestmark = pytest.mark.skipif(icmp.refusal() is not None, reason="this machine does not let us ping")

BALANCERS = "/v2.0/lbaas/loadbalancers"
PROJECT = "5" * 32
POOL = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
MONITOR: dict[str, Any] = {"type": "PING", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}


def addresses(count: int) -> Iterator[str]:
    """Addresses of this machine, one for each member."""
    return (f"127.{20 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}" for number in range(count))


def pinged(count: int, **monitor: Any) -> dict[str, Any]:
    members = {
        f"m{number}": {"address": address, "protocol_port": 80} for number, address in enumerate(addresses(count))
    }
    return web(members=members, healthmonitor={**MONITOR, **monitor})


def statuses(world: DataPlaneRig) -> set[str]:
    with world.store.reading() as tx:
        return set(tx.scalars(sa.select(MEMBER.c.operating_status)))


def condemned(world: DataPlaneRig) -> int:
    """Return how often a member was reported as down."""
    with world.store.reading() as tx:
        told = sa.select(sa.func.count()).where(EVENT.c.resource == "member", EVENT.c.status == "ERROR")
        return int(tx.scalar(told) or 0)


def test_no_healthy_member_is_condemned(world: DataPlaneRig) -> None:
    world.change(pinged(600))
    until(lambda: statuses(world) == {"ONLINE"})
    end = time.monotonic() + 2.5 * MONITOR["delay"]
    until(lambda: time.monotonic() > end)
    assert (statuses(world), condemned(world)) == ({"ONLINE"}, 0)


def test_ten_thousand_members(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Over 100 load balancers, in a server that does everything else besides."""
    minutes = request.config.getoption("long")
    if not minutes:
        pytest.skip("takes minutes: --long")
    server = start_server(tmp_path, "--auth=noauth")
    try:
        given = addresses(10_000)
        for number in range(100):
            members = [{"address": next(given), "protocol_port": 80} for _ in range(100)]
            pool = {**POOL, "members": members, "healthmonitor": MONITOR}
            listener = {"name": str(number), "protocol": "HTTP", "protocol_port": 8080, "default_pool": pool}
            subnet = ask(server, "/networking/v2.0/subnets?name=private-subnet")["subnets"][0]["id"]
            ask(server, BALANCERS, {"loadbalancer": {"vip_subnet_id": subnet, "listeners": [listener]}})
        until(lambda: found(server.state_directory) == {"ONLINE": 10_000}, 300)
        end = time.monotonic() + 60 * minutes
        until(lambda: time.monotonic() > end, 60 * minutes + 10)
        assert found(server.state_directory) == {"ONLINE": 10_000}
        assert told(server.state_directory, "SELECT count(*), 0 FROM loadbalancer_event WHERE status = 'ERROR'") == {
            0: 0
        }
    finally:
        end_server(server)


def ask(server: RunningServer, path: str, body: Any = None) -> Any:
    headers = {"X-Project-Id": PROJECT, "X-Roles": "admin", "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(server.url + path, content, headers), timeout=60) as answer:
        return json.load(answer)


def told(directory: Path, question: str) -> dict[Any, Any]:
    with closing(sqlite3.connect(directory / "lbclient.sqlite")) as database:
        return dict(database.execute(question).fetchall())


def found(directory: Path) -> dict[str, int]:
    return told(directory, "SELECT operating_status, count(*) FROM member GROUP BY operating_status")
