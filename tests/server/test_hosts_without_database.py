"""Hosts while the database is away: traffic goes on, and afterwards everything is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from members import Web

from agents import LBAAS, LONG, Hosts, traffic
from running import frozen as frozen_processes
from running import wait_until

if TYPE_CHECKING:
    from databases import Cluster

OUTAGE = 250  # requests: longer than a lease


@pytest.fixture
def hosts(tmp_path: Path, postgresql: Cluster) -> Iterator[Hosts]:
    made = Hosts(tmp_path, postgresql.new_database())
    yield made
    made.end()


@contextmanager
def stopped(postgresql: Cluster) -> Iterator[None]:
    postgresql.stop()
    try:
        yield
    finally:
        postgresql.start()


@contextmanager
def frozen(postgresql: Cluster) -> Iterator[None]:
    with frozen_processes(postgresql.processes()):
        yield


@pytest.mark.parametrize("away", [stopped, frozen])
def test_traffic_goes_on_and_afterwards_nothing_is_pending(
    hosts: Hosts, postgresql: Cluster, member: Web, away: Any
) -> None:
    _, balancer, url = hosts.carried(member)
    path = f"{hosts.server.url}{LBAAS}/loadbalancers/{balancer['id']}"

    def is_settled(name: str) -> bool:
        answer = requests.get(path, headers=hosts.headers, timeout=30)
        if answer.status_code == 503:
            return False
        found = answer.json()["loadbalancer"]
        return (found["name"], found["provisioning_status"], found["operating_status"]) == (name, "ACTIVE", "ONLINE")

    def rename(name: str) -> int:
        return requests.put(path, json={"loadbalancer": {"name": name}}, headers=hosts.headers, timeout=30).status_code

    wait_until(lambda: is_settled("lb"), LONG)
    with traffic(url) as answers:
        assert rename("before") == 200
        with away(postgresql):
            start = len(answers)
            wait_until(lambda: len(answers) >= start + OUTAGE, 3 * LONG)
            assert rename("meanwhile") == 503
        wait_until(lambda: is_settled("before"), 2 * LONG)
        wait_until(lambda: rename("after") == 200, LONG)
        wait_until(lambda: is_settled("after"), LONG)
    assert set(answers) == {200}
    assert hosts.shown("first")["heard"] == "yes"
