"""Faults of a host are refused, or shown with a reason, and heal when the cause is gone."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import Any

import pytest
import requests
from members import Web

from agents import LBAAS, LONG, Hosts, described
from lbclient.agent.connection import Refused
from lbclient.agent.distant import clock
from running import processes_with, wait_until


def test_a_second_agent_with_the_file_of_a_host_waits_until_the_first_is_gone(hosts: Hosts, member: Web) -> None:
    agent, balancer, _ = hosts.carried(member)
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ONLINE"), LONG)
    epoch = hosts.shown("first")["epoch"]
    other = hosts.start_agent("first", "copy")
    fault = "An agent on another machine, at 127.0.0.1, has the certificate of this host, too: enrol each by itself."
    wait_until(lambda: hosts.shown("first")["fault"] == fault, LONG)
    assert (hosts.shown("first")["epoch"], hosts.is_here("copy", balancer)) == (epoch, False)
    agent.kill()
    agent.communicate(timeout=60)
    for pid in processes_with(str(hosts.directory / "first" / "haproxy")):
        os.kill(pid, signal.SIGKILL)
    assert other.stdout is not None
    assert other.stdout.readline() == "lbclient agent is running\n"
    assert hosts.shown("first")["fault"] == "-"
    wait_until(lambda: hosts.is_here("copy", balancer), LONG)


def test_an_agent_that_speaks_another_protocol_is_refused_until_it_is_upgraded(hosts: Hosts) -> None:
    hosts.enroll("first")
    with pytest.raises(Refused) as refusal:
        hosts.connection("first").post("/register", {"version": "0.0.1"})
    assert refusal.value.status == 426
    assert refusal.value.reason.startswith("The agent, version 0.0.1, does not speak the protocol of this server")
    shown = hosts.shown("first")
    assert (shown["heard"], shown["fault"]) == ("no", refusal.value.reason)
    assert refusal.value.reason in hosts.host("list", "-f", "value").stdout
    hosts.run_agent("first")
    assert (hosts.shown("first")["heard"], hosts.shown("first")["fault"]) == ("yes", "-")


def test_a_wrong_clock_is_shown_and_harms_nothing(hosts: Hosts) -> None:
    hosts.enroll("first")
    connection = hosts.connection("first")
    hour = 3_600_000

    def is_shown(difference: int, fault: str) -> bool:
        """Whether a host whose clock differs shows a fault; on a slow machine, the lease may end in between."""
        epoch = connection.post("/register", described(clock=clock() + difference))["epoch"]
        connection.post("/beat", {"epoch": epoch, "clock": clock() + difference, "totals": {}})
        shown = hosts.shown("first")
        return shown["heard"] == "yes" and bool(re.fullmatch(fault, shown["fault"]))

    wait_until(lambda: is_shown(-hour, r"Its clock is 36\d\d s late\."), LONG)
    wait_until(lambda: is_shown(hour, r"Its clock is 3[56]\d\d s ahead\."), LONG)
    wait_until(lambda: is_shown(0, "-"), LONG)


def test_a_registration_that_makes_no_sense_is_refused(hosts: Hosts) -> None:
    hosts.enroll("first")
    connection = hosts.connection("first")
    for wrong in ({"networks": ["nowhere"]}, {"instance": "x"}, {"clock": None}, {"networks": 7}):
        with pytest.raises(Refused, match="bad request"):
            connection.post("/register", described(**wrong))
    assert hosts.shown("first")["heard"] == "no"


def test_a_network_that_no_host_reaches_is_refused_and_nothing_is_made(hosts: Hosts) -> None:
    hosts.enroll("first")
    connection = hosts.connection("first")
    assert hosts.host("set", "--weight=0", "server").returncode == 0
    before = made(hosts)

    def answer(networks: list[str] | None) -> requests.Response:
        """The answer to a creation, with a host that has named its networks just now."""
        connection.post("/register", described(networks=networks))
        return asked(hosts)

    reason = "No host that could take a load balancer reaches the network of 127."
    wait_until(lambda: reason in answer(["10.9.0.0/24"]).text, LONG)
    assert answer(["10.9.0.0/24", "fd00::/64"]).status_code == 503
    assert hosts.shown("first")["networks"] == "10.9.0.0/24,fd00::/64"
    assert made(hosts) == before
    wait_until(lambda: answer(None).status_code == 201, LONG)


def test_a_load_balancer_goes_to_a_host_of_its_zone(hosts: Hosts) -> None:
    for name in ("first", "second"):
        hosts.enroll(name)
        hosts.run_agent(name)
    for name, zone in {"first": "east", "second": "west", "server": "west"}.items():
        assert hosts.host("set", f"--zone={zone}", name).returncode == 0
    assert hosts.host("set", "--weight=10000", "second").returncode == 0
    profile = hosts.create(
        "availabilityzoneprofiles",
        "availability_zone_profile",
        name="east",
        provider_name="octavia",
        availability_zone_data=json.dumps({"compute_zone": "east"}),
    )
    values = {"name": "east", "availability_zone_profile_id": profile["id"]}
    hosts.create("availabilityzones", "availability_zone", **values)
    answer = asked(hosts, availability_zone="east")
    assert hosts.place(answer.json()["loadbalancer"]) == "first"
    assert hosts.place(asked(hosts).json()["loadbalancer"]) == "second"
    refused = hosts.host("drain", "first")
    reason = "No host of the zone east can take a load balancer."
    assert f"No other host can take the load balancers of first. {reason}" in refused.stderr
    assert hosts.host("set", "--zone=north", "first").returncode == 0
    answer = asked(hosts, availability_zone="east")
    assert (answer.status_code, "No host of the zone east can take" in answer.text) == (503, True)
    assert hosts.host("set", "--zone=", "second").returncode == 0
    assert hosts.place(asked(hosts, availability_zone="east").json()["loadbalancer"]) == "second"


def asked(hosts: Hosts, **values: Any) -> requests.Response:
    """The answer to the creation of a load balancer."""
    subnet = hosts.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"][0]["id"]
    body = {"loadbalancer": {"vip_subnet_id": subnet, **values}}
    url = f"{hosts.server.url}{LBAAS}/loadbalancers"
    return requests.post(url, json=body, headers=hosts.headers, timeout=30)


def made(hosts: Hosts) -> list[Any]:
    """All load balancers, amphorae and ports, which a refused creation must not change."""
    paths = (f"{LBAAS}/loadbalancers", "/load-balancer/v2.0/octavia/amphorae", "/networking/v2.0/ports")
    return [hosts.ask("GET", path) for path in paths]
