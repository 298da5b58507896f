"""Servers in the background and for as long as their parent lives, from start to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from running import lbclient, own_networks, processes_with, wait_until


def run(*arguments: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    return subprocess.run(lbclient("server", *arguments), capture_output=True, text=True, timeout=timeout)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "state"
    yield directory
    run("stop", f"--state-directory={directory}")
    for pid in processes_with(str(directory)):
        os.kill(pid, signal.SIGKILL)


def test_a_server_in_the_background_from_start_to_end(state: Path) -> None:
    where = f"--state-directory={state}"
    assert run("status", where).returncode == 3
    started = run("--detach", "--demo", "--bind-port=0", where, *own_networks())
    assert started.returncode == 0, started.stderr
    url = started.stdout.split()[-1]
    assert requests.get(f"{url}/", timeout=10).ok  # it is ready already
    status = run("status", where)
    assert status.returncode == 0
    assert url in status.stdout
    assert str(state / "clouds.yaml") in status.stdout
    assert run("wait", where).stdout.strip() == url
    again = run("--detach", "--bind-port=0", where)
    assert again.returncode == 1
    assert "Another lbclient server" in again.stderr
    assert requests.get(f"{url}/", timeout=10).ok
    assert run("stop", where).stdout == "Stopped.\n"
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/", timeout=10)
    assert run("status", where).returncode == 3
    assert run("stop", where).returncode == 0


def test_a_server_that_was_killed_is_not_taken_for_a_running_one(state: Path) -> None:
    where = f"--state-directory={state}"
    assert run("--detach", "--bind-port=0", where, *own_networks()).returncode == 0
    pid = int(run("status", where).stdout.split()[1])
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: run("status", where).returncode == 3)
    waited = run("wait", "--timeout=0.1", where)
    assert waited.returncode == 1
    assert "none that uses" in waited.stderr


def test_why_it_does_not_start_is_said(state: Path) -> None:
    refused = run("--detach", f"--state-directory={state}", "--haproxy=/nowhere")
    assert refused.returncode == 1
    assert "/nowhere" in refused.stderr


def test_one_way_of_life_at_a_time() -> None:
    refused = run("--detach", "--ephemeral")
    assert refused.returncode != 0
    assert "not allowed with" in refused.stderr


PARENT = """
import subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
print(process.stdout.readline().split()[-1], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_ephemeral_server_ends_with_its_parent_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    command = lbclient("server", "--ephemeral", "--testing")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        project = requests.post(f"{url}/testing/v1/projects", timeout=10).json()["project"]
        headers = {"X-Auth-Token": project["token"]}
        [subnet] = requests.get(
            f"{url}/networking/v2.0/subnets?name=private-subnet", headers=headers, timeout=10
        ).json()["subnets"]
        body = {"loadbalancer": {"vip_subnet_id": subnet["id"]}}
        made = requests.post(f"{url}/v2.0/lbaas/loadbalancers", json=body, headers=headers, timeout=10).json()
        id_ = made["loadbalancer"]["id"]
        listener = {"listener": {"loadbalancer_id": id_, "protocol": "TCP", "protocol_port": 8080}}
        requests.post(f"{url}/v2.0/lbaas/listeners", json=listener, headers=headers, timeout=10).raise_for_status()
        wait_until(lambda: processes_with(id_))
        parent.send_signal(number)
    wait_until(lambda: not processes_with(str(tmp_path)), 30)
    deadline = time.monotonic() + 10
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def test_two_ephemeral_servers_share_nothing() -> None:
    servers = [
        subprocess.Popen(lbclient("server", "--ephemeral", "--testing"), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        urls = [server.stdout.readline().split()[-1] for server in servers if server.stdout]
        cidrs = []
        for url in urls:
            project = requests.post(f"{url}/testing/v1/projects", timeout=10).json()["project"]
            found = requests.get(
                f"{url}/networking/v2.0/subnets", headers={"X-Auth-Token": project["token"]}, timeout=10
            )
            cidrs += [subnet["cidr"] for subnet in found.json()["subnets"]]
        assert len(set(urls)) == 2
        assert len(set(cidrs)) == len(cidrs)
    finally:
        for server in servers:
            server.terminate()
            server.communicate(timeout=30)
