"""The server is killed at each step of a change of what runs: before and after all that changes anything."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from lives import Load, Server, create, free_port, is_settled, member, runs_what_is_stored, wait_until

SUPPORT = Path(__file__).parents[1] / "support"
SHORT = 3  # kills of each kind of change in a usual run
LONG_KILLS = 300  # at least, with --long
SURVIVED = 200  # more steps than any change has
START_SECONDS = 60.0
END_SECONDS = 20.0


class Mortal(Server):
    """A server that can be told at which step to die, over many lives."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self.order = directory.with_name("kill-at")
        self.parent: subprocess.Popen[str] | None = None
        self.pid = 0
        self.has_started = threading.Event()
        self.has_ended = threading.Event()
        super().__init__(directory, database_url)

    def start(self) -> None:
        self.parent = self.parent or self._parent()
        self.has_started.clear()
        self.has_ended.clear()
        assert self.parent.stdin is not None
        self.parent.stdin.write("start\n")
        self.parent.stdin.flush()
        assert self.has_started.wait(START_SECONDS), "the server did not start"

    def arm(self, step: int) -> None:
        self.order.write_text(str(step))
        os.kill(self.pid, signal.SIGUSR1)
        wait_until(lambda: not self.order.exists(), "the server does not take the order")

    def end(self, number: signal.Signals) -> None:
        if not self.has_ended.is_set():
            os.kill(self.pid, number)
        assert self.has_ended.wait(END_SECONDS)

    def close(self) -> None:
        self.end(signal.SIGTERM)
        assert self.parent is not None
        self.parent.communicate(timeout=END_SECONDS)

    def _parent(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "killed_server", f"--bind-port={self.port}"]
        command += [f"--database={self.database_url}", *self.networks, f"--state-directory={self.directory}"]
        environment = os.environ | {
            "KILL_AT": str(self.order),
            "PYTHONPATH": os.pathsep.join((str(SUPPORT), *sys.path)),
        }
        pipe = subprocess.PIPE
        parent = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        assert parent.stdout is not None
        threading.Thread(target=self._read, args=(parent.stdout,), daemon=True).start()
        return parent

    def _read(self, said: Iterable[str]) -> None:
        for line in said:
            if line.startswith("pid "):
                self.pid = int(line.split()[1])
            elif line.startswith("ended"):
                self.has_ended.set()
            else:
                self.has_started.set()


@dataclass
class Site:
    """A load balancer that serves, and what is changed around it."""

    server: Mortal
    balancer: Any
    listener: Any
    pool: Any
    changing: Any
    spare: int  # the port of a member that comes and goes
    randomness: random.Random = field(default_factory=lambda: random.Random(11))

    def reload(self) -> None:
        timeout = self.randomness.randint(40000, 60000)
        path = f"/v2.0/lbaas/listeners/{self.listener['id']}"
        self.server.ask("PUT", path, {"listener": {"timeout_client_data": timeout}})

    def weigh(self) -> None:
        path = f"/v2.0/lbaas/pools/{self.pool['id']}/members/{self.changing['id']}"
        self.server.ask("PUT", path, {"member": {"weight": self.randomness.randint(1, 256)}})

    def join(self) -> None:
        values = {"address": "127.0.0.1", "protocol_port": self.spare, "weight": self.randomness.randint(1, 256)}
        self.server.ask("POST", f"/v2.0/lbaas/pools/{self.pool['id']}/members", {"member": values})

    def part(self) -> None:
        path = f"/v2.0/lbaas/pools/{self.pool['id']}/members"
        for each in self.server.ask("GET", path)["members"]:
            if each["protocol_port"] == self.spare:
                self.server.ask("DELETE", f"{path}/{each['id']}")

    def listen(self, protocol: str = "HTTP") -> None:
        self.server.ask("POST", "/v2.0/lbaas/listeners", {"listener": self._listener(self.balancer, protocol)})

    def relay(self) -> None:
        self.listen("UDP")

    def leave(self) -> None:
        for each in self.server.ask("GET", "/v2.0/lbaas/listeners")["listeners"]:
            if each["id"] != self.listener["id"]:
                self.server.ask("DELETE", f"/v2.0/lbaas/listeners/{each['id']}")

    def start(self) -> None:
        tree = {"vip_subnet_id": self.balancer["vip_subnet_id"], "listeners": [self._listener(None, "HTTP")]}
        self.server.ask("POST", "/v2.0/lbaas/loadbalancers", {"loadbalancer": tree})

    def remove(self) -> None:
        for each in self.server.ask("GET", "/v2.0/lbaas/loadbalancers")["loadbalancers"]:
            if each["id"] != self.balancer["id"]:
                self.server.ask("DELETE", f"/v2.0/lbaas/loadbalancers/{each['id']}?cascade=true")

    def _listener(self, balancer: Any, protocol: str) -> dict[str, Any]:
        wanted = {"protocol": protocol, "protocol_port": free_port(self.balancer["vip_address"])}
        return wanted | ({"loadbalancer_id": balancer["id"]} if balancer else {})


def nothing(site: Site) -> None:
    pass


@dataclass(frozen=True)
class Change:
    """One kind of change; what precedes it, and what follows once the server is back, which is a different one."""

    make: Callable[[Site], None]
    before: Callable[[Site], None] = nothing
    after: tuple[Callable[[Site], None], ...] = ()


CHANGES = {
    "reload": Change(Site.reload, after=(Site.listen, Site.leave)),
    "runtime": Change(Site.weigh, after=(Site.reload,)),
    "join": Change(Site.join, after=(Site.reload, Site.part)),
    "part": Change(Site.part, before=Site.join, after=(Site.reload,)),
    "listen": Change(Site.listen, after=(Site.reload, Site.leave)),
    "leave": Change(Site.leave, before=Site.listen, after=(Site.reload,)),
    "relay": Change(Site.relay, after=(Site.reload, Site.leave)),
    "start": Change(Site.start, after=(Site.remove,)),
    "remove": Change(Site.remove, before=Site.start),
}


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    server = Mortal(tmp_path / "state", database_url)
    with member() as first, member() as second, member() as spare:
        try:
            [subnet] = server.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
            balancer = create(server, "loadbalancer", "loadbalancers", vip_subnet_id=subnet["id"])
            port = free_port(balancer["vip_address"])
            wanted = {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "protocol_port": port}
            listener = create(server, "listener", "listeners", **wanted)
            wanted = {"listener_id": listener["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
            pool = create(server, "pool", "pools", **wanted)
            members = f"pools/{pool['id']}/members"
            create(server, "member", members, address="127.0.0.1", protocol_port=first)
            changing = create(server, "member", members, address="127.0.0.1", protocol_port=second)
            wait_until(lambda: is_settled(server), "not ACTIVE at first")
            yield Site(server, balancer, listener, pool, changing, spare)
        finally:
            server.end(signal.SIGKILL)
            server.start()
            for each in server.ask("GET", "/v2.0/lbaas/loadbalancers")["loadbalancers"]:
                server.ask("DELETE", f"/v2.0/lbaas/loadbalancers/{each['id']}?cascade=true")
            wait_until(lambda: server.all()["loadbalancers"] == [], "a load balancer stays")
            server.close()


def test_killed_at_any_step_of_a_change_everything_converges(
    site: Site, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    is_long = bool(request.config.getoption("long"))
    kills: dict[str, int] = dict.fromkeys(CHANGES, 0)
    with Load(site.balancer["vip_address"], site.listener["protocol_port"]) as load:
        for name in CHANGES:
            for step in steps(site.randomness, is_long):
                if not dies_at(site, name, step):
                    break
                kills[name] += 1
        while is_long and sum(kills.values()) < LONG_KILLS:
            name = site.randomness.choice(list(CHANGES))
            kills[name] += dies_at(site, name, site.randomness.randint(1, max(kills[name], 1)))
    record_property("kills", kills)
    record_property("requests", load.sent)
    print(f"{sum(kills.values())} kills {kills}, {load.sent} requests, {len(load.failures)} failed")
    assert load.failures == []
    assert all(kills.values())


def steps(randomness: random.Random, is_long: bool) -> Iterator[int]:
    """All of them, until a change survives; else a few, the first of which every change reaches."""
    if is_long:
        yield from range(1, SURVIVED)
    else:
        yield from sorted(randomness.sample(range(1, 40), SHORT))


def dies_at(site: Site, name: str, step: int) -> bool:
    """Makes a change by a server that dies at the step; checks that all converges; whether it has come to the step."""
    server = site.server
    change = CHANGES[name]
    do(site, change.before, f"before {name}")
    server.arm(step)
    has_died = is_killed_by(site, change.make)
    if has_died:
        server.start()
    else:
        server.arm(0)
    for each in (nothing, *change.after):
        do(site, each, f"{name}, step {step}")
    return has_died


def do(site: Site, change: Callable[[Site], None], when: str) -> None:
    """Makes a change that succeeds."""
    change(site)
    wait_until(lambda: is_settled(site.server), f"{when}: something stays PENDING")
    runs = lambda: runs_what_is_stored(site.server, site.balancer["id"], site.pool["id"])  # noqa: E731
    wait_until(runs, f"{when}: what runs is not what is stored")


def is_killed_by(site: Site, change: Callable[[Site], None]) -> bool:
    """Makes a change; whether the server dies of it, rather than come to its end."""
    server = site.server
    deadline = time.monotonic() + END_SECONDS
    try:
        change(site)
        while not is_settled(server):
            assert time.monotonic() < deadline, "the change comes to no end"
    except requests.RequestException:
        wait_until(server.has_ended.is_set, "the server does not answer, and is not dead")
    return server.has_ended.is_set()
