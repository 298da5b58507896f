"""The event history of a load balancer in commands, and Octavia's clients beside attributes unknown to them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import requests

from running import RunningServer, lbclient, wait_until

SDK = """
import openstack
api = openstack.connect().load_balancer
balancer = api.find_load_balancer("lb1")
assert api.get_load_balancer_statistics(balancer.id).total_connections == 3
listener = next(api.listeners())
assert api.get_listener_statistics(listener.id).total_connections == 3
pool = next(api.pools())
[member] = api.members(pool)
assert (member.operating_status, pool.operating_status) == ("ERROR", "ERROR")
"""


def run(server: RunningServer, *words: str) -> Any:
    done = subprocess.run([*words, "-f", "json"], env=server.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def do(server: RunningServer, *words: str) -> Any:
    return run(server, *lbclient("loadbalancer", *words))


def test_a_history(server: RunningServer) -> None:
    address = do(server, "create", "--name", "lb1", "--vip-subnet-id", "private-subnet", "--wait")["vip_address"]
    listener = ("--name", "web", "--protocol", "HTTP", "--protocol-port", "8080")
    do(server, "listener", "create", *listener, "--wait", "lb1")
    pool = ("--name", "pool", "--protocol", "HTTP", "--lb-algorithm", "ROUND_ROBIN", "--listener", "web")
    do(server, "pool", "create", *pool, "--wait")
    do(server, "member", "create", "--address", "127.0.0.1", "--protocol-port", "1", "--wait", "pool")
    monitor = ("--type", "TCP", "--delay", "1", "--timeout", "1", "--max-retries", "1", "--max-retries-down", "1")
    do(server, "healthmonitor", "create", *monitor, "--wait", "pool")
    for _ in range(3):
        assert requests.get(f"http://{address}:8080/", timeout=10).status_code == 503

    assert do(server, "stats", "show", "lb1")["total_connections"] == 3
    assert do(server, "pool", "stats", "show", "pool")["total_connections"] == 3
    [member] = do(server, "member", "list", "pool")
    assert do(server, "member", "stats", "show", "pool", member["id"])["active_connections"] == 0

    def ill() -> Any:
        return do(server, "event", "list", "--action", "observe", "--resource", "member", "lb1")

    wait_until(lambda: "ERROR" in [each["status"] for each in ill()])
    newest = next(each for each in ill() if each["status"] == "ERROR")
    assert newest["reason"] == "Layer4 connection problem: Connection refused"
    changes = do(server, "event", "list", "--long", "lb1")
    made = next(each for each in changes if each["resource"] == "member" and each["action"] == "create")
    assert made["how"] == "runtime"
    checked = next(each for each in changes if each["resource"] == "healthmonitor")
    assert checked["how"] == "reloaded"
    assert checked["reason"].startswith("backend ")
    assert made["milliseconds"] > 0
    assert made["attributes"] == {"address": "127.0.0.1", "protocol_port": "1"}
    show_beside_octavias_clients(server, newest["reason"])


def show_beside_octavias_clients(server: RunningServer, reason: str) -> None:
    show = [sys.executable, "-m", "openstackclient.shell", "loadbalancer"]
    done = subprocess.run(
        [*show, "status", "show", "lb1"], env=server.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert reason in done.stdout
    sdk = subprocess.run(
        [sys.executable, "-c", SDK], env=server.environment, capture_output=True, text=True, check=False
    )
    assert sdk.returncode == 0, sdk.stderr
