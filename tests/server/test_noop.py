"""A server for tests of clients, as a process: no tokens, no networks, no traffic; what Octavia's own no-ops answer."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from running import RunningServer, end_server, start_server, wait_until

PROJECT = "6a1f6d7e1c0b4a2f9b6b0d5a3c2e1f00"
SUBNET = "e353ba24-cb8e-496f-9904-f90fc941c707"
MODES = ("--auth=noauth", "--network=noop", "--certificates=noop", "--default-provider=noop_driver")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    running = start_server(tmp_path / "state", *MODES)
    try:
        yield running
    finally:
        end_server(running)


def ask(server: RunningServer, method: str, path: str, body: Any = None) -> Any:
    answer = requests.request(method, f"{server.url}/v2.0/lbaas{path}", json=body, timeout=30)
    assert answer.status_code < 300, answer.text
    return next(iter(answer.json().values())) if answer.content else None


def statuses(tree: Any) -> set[tuple[str, str]]:
    """Every (provisioning, operating) pair in a tree."""
    if isinstance(tree, list):
        return {pair for each in tree for pair in statuses(each)}
    if not isinstance(tree, dict):
        return set()
    own = {(tree["provisioning_status"], tree["operating_status"])} if "operating_status" in tree else set()
    return own | {pair for each in tree.values() for pair in statuses(each)}


def test_a_whole_tree_is_online_at_once_and_nothing_runs(server: RunningServer) -> None:
    place = {"project_id": PROJECT, "vip_subnet_id": SUBNET, "vip_address": "10.0.0.9"}
    made = ask(server, "POST", "/loadbalancers", {"loadbalancer": place})
    assert (made["provisioning_status"], made["operating_status"]) == ("PENDING_CREATE", "OFFLINE")
    assert (made["updated_at"], bool(ask(server, "GET", f"/loadbalancers/{made['id']}")["updated_at"])) == (None, True)
    assert (made["provider"], made["vip_network_id"]) == ("noop_driver", None)
    path = f"/loadbalancers/{made['id']}"
    listener = {"loadbalancer_id": made["id"], "protocol": "UDP", "protocol_port": 53}
    listener_id = ask(server, "POST", "/listeners", {"listener": listener})["id"]
    pool = {"listener_id": listener_id, "protocol": "UDP", "lb_algorithm": "SOURCE_IP_PORT"}
    pool_id = ask(server, "POST", "/pools", {"pool": pool})["id"]
    members = f"/pools/{pool_id}/members"
    ask(server, "POST", members, {"member": {"address": "10.0.0.20", "protocol_port": 53}})
    assert [each["operating_status"] for each in ask(server, "GET", members)] == ["NO_MONITOR"]
    monitor = {"pool_id": pool_id, "type": "UDP-CONNECT", "delay": 5, "timeout": 3, "max_retries": 3}
    ask(server, "POST", "/healthmonitors", {"healthmonitor": monitor})
    ask(server, "PUT", members, {"members": [{"address": "10.0.0.21", "protocol_port": 53}]})
    assert statuses(ask(server, "GET", f"{path}/status")) == {("ACTIVE", "ONLINE")}
    assert set(ask(server, "GET", f"{path}/stats").values()) == {0}
    assert [each for each in (server.state_directory / "haproxy").iterdir() if each.is_dir()] == []
    ask(server, "PUT", path, {"loadbalancer": {"admin_state_up": False}})
    assert ask(server, "GET", path)["operating_status"] == "OFFLINE"
    ask(server, "DELETE", f"{path}?cascade=true")
    assert ask(server, "GET", "/loadbalancers") == []


def test_a_change_has_taken_effect_when_it_is_answered(server: RunningServer) -> None:
    """An answer says PENDING, as a client expects; the next request sees the end."""
    made = ask(server, "POST", "/loadbalancers", {"loadbalancer": {"project_id": PROJECT, "vip_subnet_id": SUBNET}})
    path = f"/loadbalancers/{made['id']}"

    def tree() -> set[tuple[str, str]]:
        return statuses(ask(server, "GET", f"{path}/status"))

    assert tree() == {("ACTIVE", "ONLINE")}
    listener = {"loadbalancer_id": made["id"], "protocol": "HTTP", "protocol_port": 80}
    listener_id = ask(server, "POST", "/listeners", {"listener": listener})["id"]
    pool = {"listener_id": listener_id, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    pool_id = ask(server, "POST", "/pools", {"pool": pool})["id"]
    member = {"address": "10.0.0.20", "protocol_port": 80}
    added = ask(server, "POST", f"/pools/{pool_id}/members", {"member": member})
    assert (added["provisioning_status"], added["operating_status"]) == ("PENDING_CREATE", "NO_MONITOR")
    assert tree() == {("ACTIVE", "ONLINE"), ("ACTIVE", "NO_MONITOR")}
    monitor = {"pool_id": pool_id, "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3}
    monitor_id = ask(server, "POST", "/healthmonitors", {"healthmonitor": monitor})["id"]
    assert tree() == {("ACTIVE", "ONLINE")}
    ask(server, "PUT", f"/pools/{pool_id}/members/{added['id']}", {"member": {"admin_state_up": False}})
    assert tree() == {("ACTIVE", "ONLINE"), ("ACTIVE", "OFFLINE")}
    ask(server, "PUT", f"/pools/{pool_id}/members/{added['id']}", {"member": {"admin_state_up": True}})
    ask(server, "DELETE", f"/healthmonitors/{monitor_id}")
    assert tree() == {("ACTIVE", "ONLINE"), ("ACTIVE", "NO_MONITOR")}
    ask(server, "DELETE", f"/pools/{pool_id}")
    ask(server, "DELETE", f"/listeners/{listener_id}")
    assert tree() == {("ACTIVE", "ONLINE")}
    ask(server, "DELETE", path)
    assert ask(server, "GET", "/loadbalancers") == []
    assert ask(server, "GET", "/pools") == []


def test_a_killed_server_leaves_a_large_tree_whole_or_not_at_all(tmp_path: Path) -> None:
    members = [{"address": f"10.1.{n >> 8}.{n & 255}", "protocol_port": 80} for n in range(3000)]
    pool = {"name": "large", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    tree = {"loadbalancer": {"project_id": PROJECT, "vip_subnet_id": SUBNET, "pools": [pool]}}
    _kill_during(tmp_path, "POST", "/loadbalancers", tree, lambda: stored(tmp_path) > 0)
    server = start_server(tmp_path, *MODES)
    try:
        assert stored(tmp_path) == len(ask(server, "GET", "/loadbalancers")) * len(members)
        ask(server, "POST", "/loadbalancers", tree)
        whole = stored(tmp_path)
        ids = [each["id"] for each in ask(server, "GET", "/loadbalancers")]
    finally:
        end_server(server)
    _kill_during(tmp_path, "DELETE", f"/loadbalancers/{ids[0]}?cascade=true", None, lambda: stored(tmp_path) < whole)
    server = start_server(tmp_path, *MODES)
    try:
        wait_until(lambda: [each["id"] for each in ask(server, "GET", "/loadbalancers")] == ids[1:], 30)
        assert stored(tmp_path) == whole - len(members)
    finally:
        end_server(server)


def _kill_during(state: Path, method: str, path: str, body: Any, is_under_way: Callable[[], bool]) -> None:
    """Send a request to a server, which is killed when the request has begun to change the database."""
    server = start_server(state, *MODES)

    def send() -> None:
        with suppress(requests.ConnectionError):
            ask(server, method, path, body)

    sender = threading.Thread(target=send)
    try:
        sender.start()
        wait_until(is_under_way, 30)
        server.process.kill()
        sender.join()
    finally:
        end_server(server)


def stored(state: Path) -> int:
    """The number of members in the database of a server."""
    with closing(sqlite3.connect(f"file:{state}/lbclient.sqlite?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM member").fetchone()[0])
