"""A database that goes away, and comes back, under a running server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from running import RunningServer, end_server, lbclient, start_server, wait_until

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
    """What a command that has to succeed prints."""
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
