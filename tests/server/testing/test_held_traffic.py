"""Real traffic of load balancers whose changes are held back or have failed on purpose: what ran before goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from running import processes_with, start_server, wait_until

if TYPE_CHECKING:
    from conftest import Kit

PORT = 8082
SECONDS = 30.0
PACES: list[tuple[dict[str, Any], str]] = [
    ({"manual": True}, "PENDING_UPDATE"),
    ({"outcome": "ERROR", "reason": "no valid host"}, "ERROR"),
]


def changed(kit: Kit, pace: dict[str, Any], status: str) -> dict[str, Any]:
    """Return a load balancer that answers, and whose later change to be disabled is held back or has failed."""
    listeners = [_listener("HTTP", PORT), _listener("UDP", PORT)]
    made = kit.loadbalancer(provider="octavia", listeners=listeners)
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE", SECONDS)
    wait_until(lambda: is_served(made), SECONDS)
    kit.pace(operation="update", **pace)
    assert set_state(kit, made, is_up=False) == 200
    wait_until(lambda: kit.status(made["id"]) == status, SECONDS)
    return made


def _listener(protocol: str, port: int) -> dict[str, Any]:
    pool = {"protocol": protocol, "lb_algorithm": "SOURCE_IP"}
    return {"name": protocol, "protocol": protocol, "protocol_port": port, "default_pool": {"name": protocol, **pool}}


def set_state(kit: Kit, made: dict[str, Any], *, is_up: bool) -> int:
    change = {"loadbalancer": {"admin_state_up": is_up}}
    return kit.ask("PUT", f"/v2.0/lbaas/loadbalancers/{made['id']}", change).status_code


def is_served(made: dict[str, Any]) -> bool:
    """Whether HAProxy answers, with 503 because it has no member to ask, and the relay runs."""
    try:
        status = requests.get(f"http://{made['vip_address']}:{PORT}/", timeout=5).status_code
    except requests.RequestException:
        return False
    return status == 503 and any(is_relay(pid) for pid in processes_with(made["id"]))


def is_relay(pid: int) -> bool:
    try:
        return b"lbclient.dataplane.relay" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def kill(made: dict[str, Any]) -> set[int]:
    """Kill the processes of a load balancer, as a crash or the end of the machine does; return their PIDs."""
    pids = set(processes_with(made["id"]))
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


@pytest.mark.parametrize(("pace", "status"), PACES)
def test_what_ran_before_is_started_again_after_a_crash(own_kit: Kit, pace: dict[str, Any], status: str) -> None:
    made = changed(own_kit, pace, status)
    before = kill(made)
    wait_until(lambda: is_served(made), SECONDS)
    assert before.isdisjoint(processes_with(made["id"]))
    assert own_kit.status(made["id"]) == status


@pytest.mark.parametrize(("pace", "status"), PACES)
def test_what_ran_before_is_started_again_after_a_reboot(own_kit: Kit, pace: dict[str, Any], status: str) -> None:
    made = changed(own_kit, pace, status)
    own_kit.server.process.kill()
    own_kit.server.process.communicate(timeout=SECONDS)
    kill(made)
    own_kit.server = start_server(own_kit.server.state_directory, "--testing")
    wait_until(lambda: is_served(made), SECONDS)
    assert own_kit.status(made["id"]) == status
    kill(made)
    wait_until(lambda: is_served(made), SECONDS)
    own_kit.testing("DELETE", "/paces", 204)
    wait_until(lambda: not own_kit.status(made["id"]).startswith("PENDING_"), SECONDS)
    assert set_state(own_kit, made, is_up=True) == 200
    wait_until(lambda: own_kit.status(made["id"]) == "ACTIVE", SECONDS)
    wait_until(lambda: is_served(made), SECONDS)
