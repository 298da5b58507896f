"""Load balancers on two hosts: where they are, when their changes are settled, and who takes the place of a host."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from agents import LBAAS, LONG, Hosts, Played
from lbclient.agent.connection import Refused
from running import wait_until


@pytest.fixture
def pair(hosts: Hosts) -> tuple[Played, Played, Any]:
    """Two hosts, and a load balancer on both that is ACTIVE."""
    first, second = hosts.play("first", 1), hosts.play("second", 2)
    balancer = hosts.balancer(flavor_id=hosts.pair_flavor())
    first.apply(balancer)
    second.apply(balancer)
    assert hosts.statuses(balancer)[0] == "ACTIVE"
    [master, _] = hosts.amphorae(balancer)
    return (first, second, balancer) if hosts.names[master["compute_id"]] == "first" else (second, first, balancer)


def _change(hosts: Hosts, balancer: Any) -> None:
    hosts.ask("PUT", f"{LBAAS}/loadbalancers/{balancer['id']}", {"loadbalancer": {"description": "changed"}})


def test_a_load_balancer_is_on_two_hosts_and_settled_by_both(hosts: Hosts) -> None:
    hosts.enroll("other")
    stranger = hosts.connection("other")
    first = hosts.play("first", 1)
    data = '{"loadbalancer_topology": "ACTIVE_STANDBY"}'
    profile = {"flavorprofile": {"name": "f", "provider_name": "octavia", "flavor_data": data}}
    url = f"{hosts.server.url}{LBAAS}"
    refused = requests.post(f"{url}/flavorprofiles", json=profile, headers=hosts.headers, timeout=30)
    assert (refused.status_code, "needs two hosts with keepalived" in refused.text) == (501, True)
    second = hosts.play("second", 2)
    balancer = hosts.balancer(flavor_id=hosts.pair_flavor())
    vip = balancer["vip_address"]

    master, backup = hosts.amphorae(balancer)
    assert [each["role"] for each in (master, backup)] == ["MASTER", "BACKUP"]
    assert {hosts.names[each["compute_id"]] for each in (master, backup)} == {"first", "second"}
    assert [each["ha_ip"] for each in (master, backup)] == [vip, vip]
    assert len({master["vrrp_ip"], backup["vrrp_ip"], vip}) == 3
    assert [each["lb_network_ip"] for each in (master, backup)] == ["127.0.0.1", "127.0.0.1"]
    assert [each["vrrp_interface"] for each in (master, backup)] == ["eth1", "eth1"]
    assert [(each["vrrp_id"], each["vrrp_priority"]) for each in (master, backup)] == [(1, 250), (1, 249)]

    told = {name: each.groups() for name, each in (("first", first), ("second", second))}
    mine, theirs = told[hosts.names[master["compute_id"]]], told[hosts.names[backup["compute_id"]]]
    common = {"name": mine[0]["name"], "number": 1, "lead": vip, "others": [], "yields": False}
    assert mine == [{**common, "peer": backup["vrrp_ip"], "is_first": True}]
    assert theirs == [{**common, "peer": master["vrrp_ip"], "is_first": False}]
    assert stranger.get("/wanted") == {"loadbalancers": [], "groups": []}
    with pytest.raises(Refused):
        stranger.get(f"/loadbalancers/{balancer['id']}")
    documents = [each.connection.get(f"/loadbalancers/{balancer['id']}") for each in (first, second)]
    assert documents[0]["peers"] == documents[1]["peers"]
    assert [(each["name"], each["address"]) for each in documents[0]["peers"]] == [
        (each["compute_id"], each["vrrp_ip"]) for each in (master, backup)
    ]
    assert {each["host_id"]: each["role"] for each in documents} == {
        master["compute_id"]: "MASTER",
        backup["compute_id"]: "BACKUP",
    }

    first.apply(balancer)
    assert hosts.statuses(balancer)[0] == "PENDING_CREATE"
    second.apply(balancer)
    assert hosts.statuses(balancer)[0] == "ACTIVE"
    other = hosts.balancer("other", flavor_id=balancer["flavor_id"])
    assert first.groups()[0]["others"] == second.groups()[0]["others"] == [other["vip_address"]]
    for each in (first, second):
        each.apply(other)
    hosts.ask("DELETE", f"{LBAAS}/loadbalancers/{balancer['id']}")
    for each in (second, first):
        each.apply(balancer)
    assert hosts.amphorae(balancer) == []
    assert [each["lead"] for each in (*first.groups(), *second.groups())] == [other["vip_address"]] * 2


def test_without_two_hosts_that_are_heard_nothing_is_made(hosts: Hosts, pair: tuple[Played, Played, Any]) -> None:
    _, second, balancer = pair
    second.fall_silent()
    url = f"{hosts.server.url}{LBAAS}/loadbalancers"
    body = {"loadbalancer": {"vip_subnet_id": balancer["vip_subnet_id"], "flavor_id": balancer["flavor_id"]}}

    def ask() -> requests.Response:
        return requests.post(url, json=body, headers=hosts.headers, timeout=30)

    wait_until(lambda: ask().status_code == 503, LONG)
    assert "ACTIVE_STANDBY needs two hosts with keepalived in one network: only one can take" in ask().text
    before = len(hosts.ask("GET", f"{LBAAS}/loadbalancers")["loadbalancers"])
    ports = len(hosts.ask("GET", "/networking/v2.0/ports")["ports"])
    assert ask().status_code == 503
    assert len(hosts.ask("GET", f"{LBAAS}/loadbalancers")["loadbalancers"]) == before
    assert len(hosts.ask("GET", "/networking/v2.0/ports")["ports"]) == ports


def _serve(hosts: Hosts, first: Played, second: Played, balancer: Any) -> None:
    """Let the first host have the addresses, and both find that all is well."""
    first.say("MASTER")
    second.say("BACKUP")
    for each in (first, second):
        each.observe(balancer, "ONLINE")
    assert hosts.statuses(balancer) == ("ACTIVE", "ONLINE")


def _reasons(hosts: Hosts, balancer: Any) -> list[str]:
    events = hosts.ask("GET", f"{LBAAS}/loadbalancers/{balancer['id']}/events")["events"]
    return [each["reason"] for each in events]


def test_a_host_that_is_not_heard_does_not_hold_changes_up(hosts: Hosts, pair: tuple[Played, Played, Any]) -> None:
    """The load balancer is DEGRADED meanwhile."""
    first, second, balancer = pair
    _serve(hosts, first, second, balancer)
    second.fall_silent()
    _change(hosts, balancer)
    first.apply(balancer)
    assert hosts.statuses(balancer)[0] == "PENDING_UPDATE"  # it may still answer

    def is_settled() -> bool:
        first.apply(balancer)
        return hosts.statuses(balancer)[0] == "ACTIVE"

    wait_until(is_settled, LONG)
    assert [each["status"] for each in hosts.amphorae(balancer)] == ["ALLOCATED", "ERROR"]
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "DEGRADED"), LONG)
    assert f"Host {_place_of(hosts, balancer)[1]} is not heard." in _reasons(hosts, balancer)
    first.observe(balancer, "ONLINE")
    assert hosts.statuses(balancer) == ("ACTIVE", "DEGRADED")
    second.begin()
    assert [each["status"] for each in hosts.amphorae(balancer)] == ["ALLOCATED", "ALLOCATED"]
    second.apply(balancer)
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ONLINE"), LONG)


def test_a_host_that_applies_nothing_does_not_hold_changes_up(hosts: Hosts, pair: tuple[Played, Played, Any]) -> None:
    """Although it is heard: the other host settles them after 30 s; without another one they end in ERROR."""
    first, second, balancer = pair
    names = _place_of(hosts, balancer)
    _serve(hosts, first, second, balancer)
    assert hosts.host("set", "--weight=0", "server").returncode == 0
    lone, doomed = hosts.balancer("lone"), hosts.balancer("doomed")
    mine, theirs = ((first, second)[names.index(hosts.place(each))] for each in (lone, doomed))
    theirs.apply(doomed)
    hosts.ask("DELETE", f"{LBAAS}/loadbalancers/{doomed['id']}")
    deleted = theirs.plane.snapshot(doomed["id"])
    assert deleted is not None
    assert deleted.is_deleted
    _change(hosts, balancer)
    first.apply(balancer)
    assert hosts.statuses(balancer)[0] == "PENDING_UPDATE"

    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "DEGRADED"), 2 * LONG)
    late = "is heard, but has not applied the change in time."
    assert f"Host {names[1]} {late}" in _reasons(hosts, balancer)
    assert [each["status"] for each in hosts.amphorae(balancer)] == ["ALLOCATED", "ERROR"]
    first.observe(balancer, "ONLINE")
    assert hosts.statuses(balancer) == ("ACTIVE", "DEGRADED")
    wait_until(lambda: hosts.statuses(lone)[0] == "ERROR", 2 * LONG)
    assert f"Host {hosts.place(lone)} {late}" in _reasons(hosts, lone)

    _change(hosts, balancer)
    first.apply(balancer)  # the other is not waited for any more
    assert hosts.statuses(balancer) == ("ACTIVE", "DEGRADED")
    second.apply(balancer)
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ONLINE"), LONG)
    assert [each["status"] for each in hosts.amphorae(balancer)] == ["ALLOCATED", "ALLOCATED"]
    mine.apply(lone)
    assert hosts.statuses(lone)[0] == "ACTIVE"
    wait_until(lambda: hosts.statuses(doomed)[0] == "ERROR", LONG)
    theirs.plane.settle(deleted, None)  # too late: it is not to be deleted any more, and runs nowhere now
    assert hosts.statuses(doomed)[0] == "ERROR"
    theirs.apply(doomed)
    assert hosts.statuses(doomed)[0] == "ACTIVE"


def test_an_error_names_the_host(hosts: Hosts, pair: tuple[Played, Played, Any]) -> None:
    """Of the host with the addresses it is one of the change; of the other, the load balancer is DEGRADED."""
    first, second, balancer = pair
    names = _place_of(hosts, balancer)
    _serve(hosts, first, second, balancer)
    _change(hosts, balancer)
    second.apply(balancer, "The disk is full.")
    assert hosts.statuses(balancer)[0] == "PENDING_UPDATE"
    first.apply(balancer)
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "DEGRADED"), LONG)
    assert f"Host {names[1]}: The disk is full." in _reasons(hosts, balancer)
    assert [each["status"] for each in hosts.amphorae(balancer)] == ["ALLOCATED", "ERROR"]
    second.fall_silent()
    second.begin()  # its agent starts again, finds everything as it should be, and says so
    second.apply(balancer)
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ONLINE"), LONG)
    assert [each["status"] for each in hosts.amphorae(balancer)] == ["ALLOCATED", "ALLOCATED"]

    _change(hosts, balancer)
    second.apply(balancer)
    first.apply(balancer, "The disk is full.")
    assert hosts.statuses(balancer)[0] == "ERROR"
    assert f"Host {names[0]}: The disk is full." in _reasons(hosts, balancer)
    assert [each["status"] for each in hosts.amphorae(balancer)] == ["ERROR", "ALLOCATED"]
    first.apply(balancer)
    assert hosts.statuses(balancer)[0] == "ACTIVE"
    assert [each["status"] for each in hosts.amphorae(balancer)] == ["ALLOCATED", "ALLOCATED"]


def test_what_the_holder_sees_is_shown(hosts: Hosts, pair: tuple[Played, Played, Any]) -> None:
    first, second, balancer = pair
    first.say("MASTER")
    second.say("BACKUP")
    first.observe(balancer, "DEGRADED")
    second.observe(balancer, "ERROR")
    assert hosts.statuses(balancer) == ("ACTIVE", "DEGRADED")
    first.say("BACKUP")
    second.say("MASTER")
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ERROR"), LONG)
    first.say("MASTER")
    second.say("BACKUP")
    wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "DEGRADED"), LONG)


def test_counters_are_those_of_both(hosts: Hosts, pair: tuple[Played, Played, Any]) -> None:
    first, second, balancer = pair
    listener = hosts.create(
        "listeners", "listener", loadbalancer_id=balancer["id"], protocol="HTTP", protocol_port=8080
    )
    nothing = {"active_connections": 0, "bytes_in": 0, "bytes_out": 0, "request_errors": 0}
    for each, count in ((first, 3), (second, 4)):
        each.plane.all_counted({balancer["id"]: {listener["id"]: {**nothing, "total_connections": count}}})
        each.plane.beat()
    stats = hosts.ask("GET", f"{LBAAS}/loadbalancers/{balancer['id']}/stats")["stats"]
    assert stats["total_connections"] == 7
    counts = [
        hosts.ask("GET", f"/load-balancer/v2.0/octavia/amphorae/{each['id']}/stats")["amphora_stats"][0]
        for each in hosts.amphorae(balancer)
    ]
    assert [each["total_connections"] for each in counts] == [3, 4]


def _place_of(hosts: Hosts, balancer: Any) -> list[str]:
    return [hosts.names[each["compute_id"]] for each in hosts.amphorae(balancer)]


def _is_placed(hosts: Hosts, balancer: Any, *names: str) -> Callable[[], bool]:
    return lambda: _place_of(hosts, balancer) == list(names)


def test_another_host_takes_the_place_of_a_dead_one(hosts: Hosts, pair: tuple[Played, Played, Any]) -> None:
    first, second, balancer = pair
    names, before = _place_of(hosts, balancer), hosts.amphorae(balancer)
    first.fall_silent()
    assert hosts.host("set", "--dead", names[0]).returncode == 0  # the other serves alone
    assert _place_of(hosts, balancer) == names
    third = hosts.play("third", 3)
    wait_until(_is_placed(hosts, balancer, "third", names[1]), LONG)
    after = hosts.amphorae(balancer)
    assert (after[0]["id"] != before[0]["id"], after[1]["id"]) == (True, before[1]["id"])
    assert [each["peer"] for each in second.groups()] == [after[0]["vrrp_ip"]]
    assert [(each["peer"], each["is_first"]) for each in third.groups()] == [(after[1]["vrrp_ip"], True)]
    assert hosts.host("remove", names[0]).returncode == 0


def test_a_host_that_drains_gives_its_addresses_up_first(hosts: Hosts, pair: tuple[Played, Played, Any]) -> None:
    first, second, balancer = pair
    names = _place_of(hosts, balancer)
    first.say("MASTER")
    second.say("BACKUP")
    refused = hosts.host("drain", names[0])
    assert refused.returncode != 0
    assert f"Load balancers on two hosts cannot leave {names[0]}. No third host with keepalived" in refused.stderr
    third = hosts.play("third", 3)
    assert hosts.host("drain", names[0]).returncode == 0
    wait_until(lambda: [each["yields"] for each in first.groups()] == [True], LONG)
    assert hosts.host("undrain", names[0]).returncode == 0
    wait_until(lambda: [each["yields"] for each in first.groups()] == [False], LONG)
    assert hosts.host("drain", names[0]).returncode == 0
    wait_until(lambda: [each["yields"] for each in first.groups()] == [True], LONG)
    assert _place_of(hosts, balancer) == names
    second.say("MASTER")
    first.say("FAULT")
    wait_until(_is_placed(hosts, balancer, "third", names[1]), LONG)
    assert first.groups() == []
    assert [each["yields"] for each in (*second.groups(), *third.groups())] == [False, False]
    first.fall_silent()  # a host that has been removed is refused
    assert hosts.host("remove", names[0]).returncode == 0


def test_a_failover_moves_the_addresses_to_the_other_host(hosts: Hosts, pair: tuple[Played, Played, Any]) -> None:
    """That of the load balancer, or of the amphora that has them; not that of the other, nor if none can take them."""
    first, second, balancer = pair

    def yields(played: Played) -> list[bool]:
        return [each["yields"] for each in played.groups()]

    def fail_over(path: str) -> None:
        hosts.ask("PUT", f"{path}/failover")
        for each in (first, second):
            each.apply(balancer)

    first.say("MASTER")
    second.say("BACKUP")
    fail_over(f"{LBAAS}/loadbalancers/{balancer['id']}")
    wait_until(lambda: yields(first) == [True], LONG)
    assert yields(second) == [False]
    first.say("FAULT")
    second.say("MASTER")
    wait_until(lambda: yields(first) == [False], LONG)
    first.say("BACKUP")
    assert (yields(first), yields(second)) == ([False], [False])

    master, backup = (f"/load-balancer/v2.0/octavia/amphorae/{each['id']}" for each in hosts.amphorae(balancer))
    fail_over(master)  # its host stands by
    fail_over(backup)
    wait_until(lambda: yields(second) == [True], LONG)
    assert yields(first) == [False]
    wait_until(lambda: yields(second) == [False], LONG)  # the first does not take them
    name = _place_of(hosts, balancer)[1]
    wait_until(
        lambda: hosts.shown(_place_of(hosts, balancer)[0])["fault"] == f"It does not take the addresses of {name}.",
        LONG,
    )


def test_failover_replaces_one_amphora_or_both(hosts: Hosts, pair: tuple[Played, Played, Any]) -> None:
    first, second, balancer = pair
    before = [each["id"] for each in hosts.amphorae(balancer)]
    hosts.ask("PUT", f"/load-balancer/v2.0/octavia/amphorae/{before[1]}/failover")
    for each in (first, second):
        each.apply(balancer)
    after = [each["id"] for each in hosts.amphorae(balancer)]
    assert (after[0], after[1] != before[1]) == (before[0], True)
    hosts.ask("PUT", f"{LBAAS}/loadbalancers/{balancer['id']}/failover")
    for each in (first, second):
        each.apply(balancer)
    assert hosts.statuses(balancer)[0] == "ACTIVE"
    assert not {each["id"] for each in hosts.amphorae(balancer)} & set(after)


def test_an_amphora_is_killed_on_its_host_alone(tmp_path: Path, database_url: str) -> None:
    hosts = Hosts(tmp_path, database_url, options=["--testing"])
    with ExitStack() as stack:
        stack.callback(hosts.end)
        played = {name: hosts.play(name, number) for number, name in enumerate(("first", "second"), 1)}
        amphorae = hosts.amphorae(hosts.balancer(flavor_id=hosts.pair_flavor()))
        asked = {name: each.follow() for name, each in played.items()}
        wait_until(lambda: all(_kill(hosts, each) == 1 for each in amphorae), LONG)  # both follow
        for amphora in amphorae:
            for said in asked.values():
                said.clear()
            assert _kill(hosts, amphora) == 1
            assert [name for name, said in asked.items() if "kill" in said] == [hosts.names[amphora["compute_id"]]]


def _kill(hosts: Hosts, amphora: Any) -> int:
    """The number of processes of an amphora that were killed."""
    return int(hosts.ask("POST", f"/testing/v1/amphorae/{amphora['id']}/kill")["amphora"]["killed"])
