"""Isolation of hosts: each asks and reports about its own load balancers only, whatever route or key it tries."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents import LBAAS, LONG, Hosts, described
from certificates import certified
from lbclient.agent.connection import Connection, Refused, ask_once, new_context
from lbclient.agent.distant import clock
from lbclient.server.agents import api
from lbclient.server.agents.service import DIRECTORY
from lbclient.vault.authority import Authority
from running import lbclient, wait_until

NAMES = ("first", "second")
REPORTS: dict[str, dict[str, Any]] = {
    "settled": {"revision": 1, "unbound": [], "statuses": [], "error": "x", "outcome": None},
    "observed": {"statuses": [], "checks": None, "reasons": [], "revision": None},
    "released": {},
}


class World:
    """Two hosts that run a load balancer with a certificate each, and a third one that the server runs."""

    def __init__(self, hosts: Hosts, directory: Path) -> None:
        self.hosts = hosts
        self.keys: dict[str, str] = {}  # a line of each private key, by the host of its load balancer
        self.balancers: dict[str, str] = {}  # IDs, by host
        self.listeners: dict[str, str] = {}
        for name in NAMES:
            hosts.enroll(name)
            hosts.run_agent(name)
        for place in (*NAMES, "server"):
            server = certified(f"{place}.example.com")
            pem = directory / f"{place}.crt"
            pem.write_text(server.pem + server.key_pem())
            balancer = self._create(place, self._stored(pem))
            self.keys[hosts.place(balancer)] = server.key_pem().splitlines()[2]
            self.balancers[hosts.place(balancer)] = balancer["id"]
            self.listeners[hosts.place(balancer)] = balancer["listeners"][0]["id"]
        for id_ in self.balancers.values():
            wait_until(lambda: hosts.statuses({"id": id_})[0] == "ACTIVE", LONG)  # noqa: B023

    def others(self, name: str) -> list[str]:
        return [place for place in self.balancers if place != name]

    def _stored(self, pem: Path) -> str:
        clouds = {
            "OS_CLIENT_CONFIG_FILE": str(self.hosts.server.state_directory / "clouds.yaml"),
            "OS_CLOUD": "lbclient-admin",
        }
        command = lbclient("certificate", "create", "--cert", str(pem), "-f", "value", "-c", "container_ref")
        done = subprocess.run(
            command, env={**os.environ, **clouds}, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    def _create(self, name: str, reference: str) -> Any:
        subnet = self.hosts.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"][0]["id"]
        listener = {
            "name": name,
            "protocol": "TERMINATED_HTTPS",
            "protocol_port": 8443,
            "default_tls_container_ref": reference,
        }
        values = {"name": name, "vip_subnet_id": subnet, "listeners": [listener]}
        return self.hosts.create("loadbalancers", "loadbalancer", **values)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("isolation")
    hosts = Hosts(directory, f"sqlite:///{directory / 'database'}")
    try:
        made = World(hosts, directory)
        assert sorted(made.balancers) == ["first", "second", "server"]
        yield made
    finally:
        hosts.end()


def refusal(connection: Connection, method: str, path: str, values: Any = None) -> tuple[int, str]:
    """The status and the reason with which a request is refused."""
    with pytest.raises(Refused) as refused:
        connection.get(path) if method == "GET" else connection.post(path, values)
    return refused.value.status, refused.value.reason


def test_each_agent_is_refused_every_others_load_balancers(world: World) -> None:
    for name in NAMES:
        connection = world.hosts.connection(name)
        for place in world.others(name):
            path = f"/loadbalancers/{world.balancers[place]}"
            assert refusal(connection, "GET", path) == (403, "elsewhere")
            for verb, values in REPORTS.items():
                body = {"epoch": 1, **values}
                assert refusal(connection, "POST", f"{path}/{verb}", body) == (403, "elsewhere"), verb
            assert world.hosts.statuses({"id": world.balancers[place]})[0] == "ACTIVE"
        gone = "/loadbalancers/00000000-0000-4000-8000-00000000dead"
        assert refusal(connection, "GET", gone) == (404, "gone")
    verbs = api.ONE.pattern.rpartition("(?:/(")[2].partition(")")[0].split("|")
    assert sorted(verbs) == sorted(REPORTS)  # a new report belongs in here


def test_keys_and_lists_are_of_the_own_load_balancers(world: World) -> None:
    for name in NAMES:
        connection = world.hosts.connection(name)
        mine, key = world.balancers[name], world.keys[name]
        assert key in orjson.dumps(connection.get(f"/loadbalancers/{mine}")).decode()
        assert [each[0] for each in connection.get("/wanted")["loadbalancers"]] == [mine]
        assert [each[0] for each in connection.get("/addresses")] == [mine]
        seen = b"".join(map(orjson.dumps, (connection.get("/wanted"), connection.get("/addresses")))).decode()
        for place in world.others(name):
            for secret in (world.keys[place], world.balancers[place], world.listeners[place]):
                assert secret not in seen
                assert secret not in orjson.dumps(connection.get(f"/loadbalancers/{mine}")).decode()


def test_a_report_about_an_own_load_balancer_changes_nothing_of_another(world: World) -> None:
    for name in NAMES:
        mine = world.balancers[name]
        for place in world.others(name):
            other, listener = world.balancers[place], world.listeners[place]
            wrong = [["loadbalancer", other, "ERROR"], ["listener", listener, "ERROR"]]
            _report(world, name, f"/loadbalancers/{mine}/observed", {**REPORTS["observed"], "statuses": wrong})
            totals = {each: {listener: {"total_connections": 7777}} for each in (other, mine)}
            _report(world, name, "/beat", {"clock": clock(), "totals": totals})
            shown = world.hosts.ask("GET", f"{LBAAS}/listeners/{listener}")["listener"]
            assert (shown["provisioning_status"], shown["operating_status"]) == ("ACTIVE", "ONLINE")
            stats = world.hosts.ask("GET", f"{LBAAS}/listeners/{listener}/stats")["stats"]
            assert stats["total_connections"] == 0


def test_messages_reach_the_host_of_a_load_balancer_only(world: World) -> None:
    for name in NAMES:
        with world.hosts.connection(name).stream("/changes") as lines:
            next(lines)
            for place in (*world.others(name), name):
                path = f"{LBAAS}/loadbalancers/{world.balancers[place]}"
                world.hosts.ask("PUT", path, {"loadbalancer": {"description": f"seen by {name}"}})
            heard = [json.loads(line) for line in _until(lines, world.balancers[name]) if line.strip()]
        assert {each["wake"] for each in heard if "wake" in each} == {world.balancers[name]}


def test_without_a_certificate_nothing_is_answered(world: World) -> None:
    unknown = new_context()
    unknown.load_verify_locations(cadata=Authority(world.hosts.directory / "server" / DIRECTORY).certificate)
    place = ("127.0.0.1", world.hosts.port)
    mine = world.balancers["first"]
    paths = ["/wanted", "/addresses", "/changes", f"/loadbalancers/{mine}"]
    posts = ["/register", "/beat", "/answers", "/renew", *(f"/loadbalancers/{mine}/{verb}" for verb in REPORTS)]
    for method, path in (*(("GET", each) for each in paths), *(("POST", each) for each in posts)):
        with pytest.raises(Refused) as refused:
            ask_once(place, unknown, method, path, {} if method == "POST" else None)
        assert (refused.value.status, refused.value.reason) == (401, "no certificate"), path
    routes = set(re.findall(r'case "[A-Z]+", "(/[a-z]+)"', inspect.getsource(api)))
    assert routes == {each for each in (*paths, *posts) if each.count("/") == 1}  # a new route belongs in here


def _report(world: World, name: str, path: str, values: dict[str, Any]) -> None:
    """Report as a host, whose agent does so as well: each fences the other, so that it may take several attempts."""
    connection = world.hosts.connection(name)
    instance = (world.hosts.directory / name / "agent.id").read_text()

    def is_taken() -> bool:
        epoch = connection.post("/register", described(instance=instance))["epoch"]
        try:
            connection.post(path, {"epoch": epoch, **values})
        except Refused as refused:
            if refused.status == 409:
                return False
            raise
        return True

    wait_until(is_taken, LONG)


def _until(lines: Any, id_: str) -> list[bytes]:
    """Lines of a stream until one is about a load balancer."""
    found = []
    for line in lines:
        found.append(line)
        if id_.encode() in line:
            break
    return found
