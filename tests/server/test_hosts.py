"""Load balancers on another host: its agent runs them, for a server that it reaches over TLS."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from members import Web

from agents import LBAAS, LONG, Hosts, described
from lbclient.agent.connection import Refused, Unreachable
from lbclient.agent.distant import DistantControlPlane
from lbclient.server import key_archive
from running import lbclient, processes_with, wait_until


def test_a_load_balancer_is_carried_by_a_host_and_moves_when_that_drains(hosts: Hosts, member: Web) -> None:
    _, balancer, url = hosts.carried(member)
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ONLINE"), LONG)
    assert (hosts.is_here("first", balancer), hosts.is_here("server", balancer)) == (True, False)
    assert requests.get(url, timeout=5).status_code == 200
    assert hosts.place(balancer) == "first"
    stats = hosts.ask("GET", f"{LBAAS}/loadbalancers/{balancer['id']}/stats")["stats"]
    assert stats["total_connections"] == 1
    refused = hosts.host("drain", "first")
    assert refused.returncode != 0
    reason = "No host can take a load balancer: each is down, draining, dead, or has the weight 0."
    assert f"No other host can take the load balancers of first. {reason}" in refused.stderr
    assert "first has 1 load balancers" in hosts.host("remove", "first").stderr

    assert hosts.host("set", "--weight=100", "server").returncode == 0
    assert hosts.host("drain", "first").returncode == 0
    wait_until(lambda: hosts.is_here("server", balancer) and not hosts.is_here("first", balancer), LONG)
    wait_until(lambda: _is_served(url), LONG)
    assert hosts.host("remove", "first").returncode == 0
    assert "first" not in hosts.host("list").stdout
    hosts.ask("DELETE", f"{LBAAS}/loadbalancers/{balancer['id']}?cascade=true")
    wait_until(lambda: not hosts.is_here("server", balancer), LONG)


def test_a_host_that_is_not_heard_is_shown_and_heals(hosts: Hosts, member: Web) -> None:
    agent, balancer, url = hosts.carried(member)
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ONLINE"), LONG)
    agent.send_signal(signal.SIGSTOP)
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ERROR"), LONG)
    assert requests.get(url, timeout=5).status_code == 200  # it serves on
    path = f"{LBAAS}/loadbalancers/{balancer['id']}"
    answer = requests.post(
        f"{hosts.server.url}{LBAAS}/loadbalancers",
        json={"loadbalancer": {"vip_subnet_id": balancer["vip_subnet_id"]}},
        headers=hosts.headers,
        timeout=30,
    )
    assert answer.status_code == 503
    assert "No host can take a load balancer" in answer.text
    hosts.ask("PUT", path, {"loadbalancer": {"name": "changed"}})
    wait_until(lambda: hosts.statuses(balancer) == ("ERROR", "ERROR"), LONG)
    events = hosts.ask("GET", f"{path}/events")["events"]
    assert "The host first is not heard." in [each["reason"] for each in events]
    agent.send_signal(signal.SIGCONT)
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ONLINE"), LONG)


def test_a_dead_host_gives_its_load_balancers_to_others(hosts: Hosts, member: Web) -> None:
    agent, balancer, _ = hosts.carried(member)
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ONLINE"), LONG)
    agent.kill()
    for pid in processes_with(str(hosts.directory / "first")):
        os.kill(pid, signal.SIGKILL)
    assert hosts.host("set", "--weight=100", "server").returncode == 0
    assert hosts.host("set", "--dead", "first").returncode == 0
    wait_until(lambda: hosts.is_here("server", balancer), LONG)
    with pytest.raises(Refused) as refusal:
        hosts.connection("first").get("/wanted")
    assert (refusal.value.status, refusal.value.reason[:12]) == (403, "unknown host")


def test_changes_reach_an_agent_that_was_away(hosts: Hosts, member: Web) -> None:
    agent, balancer, url = hosts.carried(member)
    wait_until(lambda: _is_served(url), LONG)
    agent.kill()
    agent.communicate(timeout=60)
    hosts.ask("PUT", f"{LBAAS}/loadbalancers/{balancer['id']}", {"loadbalancer": {"admin_state_up": False}})
    hosts.run_agent("first")
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "OFFLINE"), LONG)


def test_a_host_sees_only_what_it_runs(hosts: Hosts) -> None:
    for name in ("first", "second"):
        hosts.enroll(name)
        hosts.run_agent(name)
    found = [hosts.balancer(f"lb{number}") for number in range(3)]
    places = {each["id"]: hosts.place(each) for each in found}
    assert sorted(places.values()) == ["first", "second", "server"]
    for name in ("first", "second"):
        connection = hosts.connection(name)
        assert [each[0] for each in connection.get("/wanted")["loadbalancers"]] == [
            id_ for id_, at in places.items() if at == name
        ]
        instance = (hosts.directory / name / "agent.id").read_text()
        epoch = connection.post("/register", described(instance=instance))["epoch"]
        for id_, at in places.items():
            if at == name:
                assert connection.get(f"/loadbalancers/{id_}")["loadbalancer"]["id"] == id_
                continue
            settled = {"epoch": epoch, "revision": 1, "unbound": [], "statuses": [], "error": None}
            settled["outcome"] = None
            observed = {"epoch": epoch, "statuses": [["loadbalancer", id_, "ERROR"]], "checks": None, "reasons": []}
            reports = {"settled": settled, "observed": {**observed, "revision": None}, "released": {"epoch": epoch}}
            with pytest.raises(Refused) as refusal:
                connection.get(f"/loadbalancers/{id_}")
            assert (refusal.value.status, refusal.value.reason) == (403, "elsewhere")
            for verb, values in reports.items():
                with pytest.raises(Refused) as refusal:
                    connection.post(f"/loadbalancers/{id_}/{verb}", values)
                assert (refusal.value.status, refusal.value.reason) == (403, "elsewhere")


def test_what_an_agent_cannot_mean_is_refused(hosts: Hosts) -> None:
    hosts.enroll("first")
    server = hosts.connection("first")
    epoch = server.post("/register", described())["epoch"]
    assert hosts.host("set", "--weight=0", "server").returncode == 0
    one = f"/loadbalancers/{hosts.balancer()['id']}"
    beat = {"epoch": epoch, "clock": 0, "totals": {}}
    observed = {"epoch": epoch, "statuses": [], "checks": None, "reasons": [], "revision": None}
    bodies: list[tuple[str, Any]] = [
        *(("/register", body) for body in ([], "x", {}, described(instance=5), described(clock="x"))),
        *(("/register", described(networks=each)) for each in ("x", [5.5], [[]])),
        *(("/beat", {**beat, **each}) for each in ({"totals": [1]}, {"clock": []}, {"totals": {one[15:]: 5}})),
        *((f"{one}/observed", {**observed, **each}) for each in ({"checks": [1]}, {"statuses": 5}, {"reasons": [[]]})),
        ("/answers", {"token": [], "value": 1}),
        ("/answers", []),
    ]
    for path, body in bodies:
        with pytest.raises(Refused) as refusal:
            server.post(path, body)
        assert (refusal.value.status, refusal.value.reason) == (400, "bad request"), (path, body)
    assert server.post("/beat", beat) is None


def test_reports_of_an_earlier_registration_are_refused(hosts: Hosts) -> None:
    hosts.enroll("first")
    server = hosts.connection("first")
    fenced: list[bool] = []
    plane = DistantControlPlane(server, lambda: fenced.append(True))
    assert hosts.host("set", "--weight=0", "server").returncode == 0
    plane.epoch = server.post("/register", described())["epoch"]
    balancer = hosts.balancer()
    snapshot = plane.snapshot(balancer["id"])
    assert snapshot is not None
    assert hosts.connection("first").post("/register", described())["epoch"] == plane.epoch + 1
    with pytest.raises(Unreachable, match="fenced"):
        plane.settle(snapshot, None)
    with pytest.raises(Unreachable, match="fenced"):
        plane.observed(balancer["id"], {("loadbalancer", balancer["id"]): "ERROR"})
    with pytest.raises(Refused) as refusal:
        plane.beat()
    assert refusal.value.status == 409
    assert fenced == [True, True]
    assert hosts.statuses(balancer)[0] != "ACTIVE"
    plane.epoch = server.post("/register", described())["epoch"]
    assert plane.settle(snapshot, None) is False
    assert hosts.statuses(balancer)[0] == "ACTIVE"


def test_only_the_newest_certificate_of_a_known_host_is_accepted(hosts: Hosts, tmp_path: Path) -> None:
    hosts.enroll("first").rename(tmp_path / "old.pem")
    hosts.enroll("first")
    assert hosts.connection("first").get("/wanted")["loadbalancers"] == []
    with pytest.raises(Refused, match="unknown host"):
        hosts.connection("old").get("/wanted")
    assert b"401" in _answer_without_a_certificate(hosts.port).splitlines()[0]
    with pytest.raises(Refused, match="unknown path"):
        hosts.connection("first").get("/nothing")


def _is_served(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.exceptions.ConnectionError:
        return False


def _answer_without_a_certificate(port: int) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain, context.wrap_socket(plain) as secure:
        try:
            secure.sendall(b"GET /agent/v1/wanted HTTP/1.1\r\nHost: x\r\n\r\n")
            return secure.recv(100)
        except (ssl.SSLError, ConnectionError):
            return b""


def test_a_backup_has_the_authority_that_agents_know(hosts: Hosts, tmp_path: Path) -> None:
    data, keys = tmp_path / "backup.gz", tmp_path / "keys.tar.gz"
    options = [f"--keys={keys}", f"--state-directory={hosts.server.state_directory}", hosts.database]
    command = lbclient("server", "backup", str(data), *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    saved = {name: content for name, content in key_archive.read(keys).files.items() if name.startswith("hosts/")}
    folder = hosts.server.state_directory / "hosts"
    assert saved == {f"hosts/{path.name}": path.read_bytes() for path in folder.iterdir()}
    assert "hosts/authority.pem" in saved
