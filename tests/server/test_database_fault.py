"""A database that goes away, and comes back, under a running server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from running import RunningServer, end_server, frozen, lbclient, start_server, wait_until

if TYPE_CHECKING:
    from databases import Cluster


@pytest.fixture
def server(tmp_path: Path, postgresql: Cluster) -> Iterator[RunningServer]:
    running = start_server(tmp_path / "state", f"--database={postgresql.new_database()}")
    try:
        yield running
    finally:
        end_server(running)


def said(server: RunningServer, *words: str) -> str:
    """Return the output of a command that has to succeed."""
    command = lbclient(*words)
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_meanwhile_503_and_afterwards_all_is_as_it_was(server: RunningServer, postgresql: Cluster) -> None:
    lb = ("loadbalancer",)
    said(server, *lb, "create", "--name", "lb", "--vip-subnet-id", "private-subnet", "--wait")
    headers = {"X-Auth-Token": said(server, "token", "issue", "-f", "value", "-c", "id")}
    url = f"{server.url}/load-balancer/v2.0/lbaas/loadbalancers"
    postgresql.stop()
    try:
        for _ in range(3):
            answer = requests.get(url, headers=headers, timeout=10)
            assert (answer.status_code, answer.json()["faultcode"]) == (503, "Server")
            assert "The database cannot be reached" in answer.json()["faultstring"]
    finally:
        postgresql.start()
    wait_until(lambda: requests.get(url, headers=headers, timeout=10).status_code == 200)
    made = (*lb, "listener", "create", "--protocol", "HTTP", "--protocol-port", "8080", "--wait", "lb")
    assert said(server, *made, "-f", "value", "-c", "provisioning_status") == "ACTIVE"
    assert server.process.poll() is None


@contextmanager
def stopped(postgresql: Cluster) -> Iterator[None]:
    """Every process of PostgreSQL hangs, as if its machine did."""
    with frozen(postgresql.processes()):
        yield


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Another connection holds the lock of all writers, and the tables."""
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(27746)")
        connection.execute("LOCK TABLE loadbalancer IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


@pytest.mark.parametrize("how", ["stopped", "locked"])
def test_one_that_hangs_is_503_and_what_needs_no_database_is_answered(
    server: RunningServer, postgresql: Cluster, how: str
) -> None:
    headers = {"X-Auth-Token": said(server, "token", "issue", "-f", "value", "-c", "id")}
    lbaas = f"{server.url}/load-balancer/v2.0/lbaas"
    networks = f"{server.url}/networking/v2.0/networks"
    body = {"network": {"name": "n"}}

    def read(_: int) -> int:
        return requests.get(f"{lbaas}/loadbalancers", headers=headers, timeout=40).status_code

    def write(_: int) -> int:
        return requests.post(networks, json=body, headers=headers, timeout=40).status_code

    hanging = stopped(postgresql) if how == "stopped" else locked(postgresql.latest_url())
    with hanging, ThreadPoolExecutor(24) as pool:  # more than the server has threads for
        asked = [*(pool.submit(read, each) for each in range(20)), *(pool.submit(write, each) for each in range(3))]
        for path in ("/", "/load-balancer", "/identity/v3", "/load-balancer/v2.0", "/networking", "/identity"):
            assert requests.get(f"{server.url}{path}", timeout=2).status_code in (200, 300)
        assert {each.result() for each in asked} == {503}
    wait_until(lambda: read(0) == 200)
    assert write(0) == 201
