"""Answers to writes wait a moment for the load balancer to settle."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from lbclient.server.config import Config
from lbclient.server.settlements import Settlements
from running import end_server, free_ports, own_networks, start_server


def test_a_client_that_looks_once_finds_the_change_done(tmp_path: Path) -> None:
    server = start_server(tmp_path / "state", "--settle-wait=10", "--testing")
    try:
        url = f"{server.url}/v2.0/lbaas"
        project = requests.post(f"{server.url}/testing/v1/projects", timeout=30).json()["project"]
        headers = {"X-Auth-Token": project["token"]}
        subnets = requests.get(f"{server.url}/networking/v2.0/subnets?name=private-subnet", headers=headers, timeout=30)
        body = {"loadbalancer": {"vip_subnet_id": subnets.json()["subnets"][0]["id"]}}
        made = requests.post(f"{url}/loadbalancers", json=body, headers=headers, timeout=30).json()["loadbalancer"]
        assert made["provisioning_status"] == "PENDING_CREATE"
        path = f"{url}/loadbalancers/{made['id']}"

        def status() -> str:
            answer = requests.get(path, headers=headers, timeout=30).json()
            return str(answer["loadbalancer"]["provisioning_status"])

        assert status() == "ACTIVE"
        listener = {"listener": {"loadbalancer_id": made["id"], "protocol": "TCP", "protocol_port": 8090}}
        answer = requests.post(f"{url}/listeners", json=listener, headers=headers, timeout=30)
        assert answer.json()["listener"]["provisioning_status"] == "PENDING_CREATE"
        assert status() == "ACTIVE"
        assert requests.delete(f"{path}?cascade=true", headers=headers, timeout=30).status_code == 204
        assert requests.get(path, headers=headers, timeout=30).status_code == 404
    finally:
        end_server(server)


def test_a_floating_ip_leads_to_its_load_balancer_once_the_answer_is_there(tmp_path: Path) -> None:
    """And no longer, once the answer to its dissociation is there: the load balancer is ACTIVE all the time."""
    server = start_server(tmp_path / "state", "--settle-wait=10", "--testing", *own_networks())
    try:
        session = requests.Session()
        project = session.post(f"{server.url}/testing/v1/projects", timeout=30).json()["project"]
        session.headers["X-Auth-Token"] = project["token"]

        def ask(method: str, path: str, **values: object) -> Any:
            answer = session.request(method, server.url + path, json=values or None, timeout=30)
            assert answer.ok, answer.text
            return answer.json()

        networking = "/networking/v2.0"
        subnets = ask("GET", f"{networking}/subnets?name=private-subnet")["subnets"]
        (public,) = ask("GET", f"{networking}/networks?name=public-net")["networks"]
        port = free_ports(1)[0]
        wanted = {"vip_subnet_id": subnets[0]["id"], "listeners": [{"protocol": "HTTP", "protocol_port": port}]}
        made = ask("POST", "/v2.0/lbaas/loadbalancers", loadbalancer=wanted)["loadbalancer"]
        new = {"floating_network_id": public["id"]}
        floating = ask("POST", f"{networking}/floatingips", floatingip=new)["floatingip"]
        place = floating["floating_ip_address"], port

        for _ in range(3):
            for port_id, is_reached in ((made["vip_port_id"], True), (None, False)):
                ask("PUT", f"{networking}/floatingips/{floating['id']}", floatingip={"port_id": port_id})
                with socket.socket() as client:
                    client.settimeout(10)
                    assert (client.connect_ex(place) == 0) == is_reached
    finally:
        end_server(server)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [({}, 0.3), ({"busy_wait": 0.0}, 0.0), ({"busy_wait": 0.0, "settle_wait": 2.0}, 2.0), ({"settle_wait": 0.0}, 0.0)],
)
def test_strict_servers_answer_at_once_unless_told_otherwise(options: dict[str, float], seconds: float) -> None:
    assert Config(**options).settle_seconds == seconds  # type: ignore[arg-type]


def test_a_wait_ends_only_when_its_load_balancer_has_settled() -> None:
    settled = {"a": False}
    settlements = Settlements(lambda id_: settled[id_], 30.0, 1)
    has_waited = threading.Event()

    def wait() -> None:
        with settlements.expected(["a"]) as until_settled:
            begun.set()
            until_settled()
            has_waited.set()

    begun = threading.Event()
    thread = threading.Thread(target=wait)
    thread.start()
    assert begun.wait(10)
    settlements.tell("b")
    settlements.tell("a")  # a look that did not settle it
    assert not has_waited.wait(0.2)
    settled["a"] = True
    settlements.tell("a")
    assert has_waited.wait(10)
    thread.join(10)


def test_a_wait_that_is_too_long_ends() -> None:
    with Settlements(lambda id_: False, 0.05, 1).expected(["a"]) as until_settled:
        until_settled()  # returns, though nothing settles


def test_no_more_threads_wait_than_may() -> None:
    settlements = Settlements(lambda id_: False, 3600.0, 1)
    with settlements.expected(["a"]), settlements.expected(["b"]) as until_settled:
        until_settled()  # returns at once: the one place is taken
    with settlements.expected(["a"]):
        settlements.tell("a")
