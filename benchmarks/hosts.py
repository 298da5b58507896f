"""Costs of many hosts: `python benchmarks/hosts.py [--agents 20] [--sizes 100,1000,10000] [--rounds 30]`.

Three API processes on one PostgreSQL, and agents that settle what they are told without an HAProxy. Load balancers,
each with a listener, are created until there are as many as each size says; then the costs of a change, of a beat, and
of the lists are measured, and the processor time of the server that the agents call while nothing is changed. No more
load balancers are created after `--limit` seconds (600).
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import orjson
from setting import Client, free_ports, wait_for

from databases import Cluster, programs
from lbclient.agent.connection import Connection, Refused, Unreachable
from lbclient.agent.distant import DistantControlPlane, clock
from lbclient.agent.identity import enroll
from lbclient.resources import STATISTICS
from lbclient.store import documents

NETWORK = "127.77.0.0/18"  # room for 16,000 VIPs
IDLE = 10.0  # seconds
TICKS = os.sysconf("SC_CLK_TCK")


class Agent:
    """An agent that reports everything as applied; it has no HAProxy."""

    def __init__(self, port: int, path: Path, number: int) -> None:
        self.server = Connection("127.0.0.1", port, path)
        self.plane = DistantControlPlane(self.server, lambda: None)
        self._instance = f"0b9cd3d4-5b5a-4b53-8c38-{number:012d}"
        self._listeners: dict[str, list[str]] = {}  # by load balancer
        self._traffic = 0
        self.is_over = threading.Event()
        self.register()
        for work in (self._follow, self._beat):
            threading.Thread(target=work, daemon=True).start()

    def register(self) -> None:
        said = {"version": "benchmark", "protocol": documents.PROTOCOL, "instance": self._instance}
        answer = self.server.post("/register", {**said, "networks": None, "clock": clock()})
        self.plane.epoch = answer["epoch"]

    def beat(self, totals: Any) -> None:
        self.server.post("/beat", {"epoch": self.plane.epoch, "clock": clock(), "totals": totals})

    def beat_with_totals(self) -> None:
        """Report traffic of each listener."""
        self._traffic += 1
        counted = dict.fromkeys(STATISTICS, self._traffic)
        self.beat({id_: dict.fromkeys(parts, counted) for id_, parts in list(self._listeners.items())})

    def _beat(self) -> None:
        while not self.is_over.wait(2.0):
            with contextlib.suppress(Unreachable):
                try:
                    self.beat({})
                except Refused:  # its lease has ended
                    self.register()

    def _follow(self) -> None:
        while not self.is_over.is_set():
            with contextlib.suppress(Unreachable, Refused), self.server.stream("/changes") as lines:
                for id_ in [found[0] for found in self.server.get("/wanted") if found[2]]:
                    self._apply(id_)
                for line in lines:
                    if line.strip() and "wake" in (message := orjson.loads(line)):
                        self._apply(message["wake"])
            self.is_over.wait(0.1)

    def _apply(self, id_: str) -> None:
        snapshot = self.plane.snapshot(id_)
        if snapshot is not None:
            self._listeners[id_] = [part for name, part in snapshot.seen if name == "listener"]
            self.plane.settle(snapshot, None)


def run_agents(port: int, paths: list[Path], is_over: Any) -> None:
    """Run agents in a process of their own until the event is set."""
    agents = [Agent(port, path, number) for number, path in enumerate(paths, 1)]
    is_over.wait()
    for each in agents:
        each.is_over.set()


class Site:
    """Three servers on one database, and agents."""

    def __init__(self, directory: Path, database: str, count: int, ends: ExitStack) -> None:
        *ports, self.agents_port = free_ports(4)
        first = directory / "server0"
        roles = [f"--agents=127.0.0.1:{self.agents_port}"], *[["--roles=api", f"--keys={first}"]] * 2
        self.clients = []
        common = [f"--database={database}", "--attachment=loopback", "--settle-wait=5"]
        for number, (port, options) in enumerate(zip(ports, roles, strict=True)):
            places = [f"--state-directory={directory / f'server{number}'}", f"--bind-port={port}"]
            networks = [f"--private-cidr={NETWORK}"] if number == 0 else []
            command = [sys.executable, "-m", "lbclient.server.main", *places, *common, *networks, *options]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ends.callback(process.wait, 30)
            ends.callback(process.send_signal, signal.SIGTERM)
            clouds = first / "clouds.yaml"
            wait_for(lambda: clouds.exists() and _is_healthy(port), 0.05)  # noqa: B023
            client = Client(port, clouds)
            client.pid = process.pid
            self.clients.append(client)
        self._path = "/v2.0/octavia/hosts"
        paths = [self._enrolled(directory / f"host{number}.pem") for number in range(count)]
        [own] = [each for each in self.hosts() if each["name"] == "server"]
        is_over = multiprocessing.Event()
        others = multiprocessing.Process(target=run_agents, args=(self.agents_port, paths[1:], is_over))
        others.start()
        ends.callback(others.join, 30)
        ends.callback(is_over.set)
        self.agent = Agent(self.agents_port, paths[0], 0)
        wait_for(lambda: sum(each["heard"] for each in self.hosts()) == count + 1, 0.1)
        self.clients[0].ask("PUT", f"{self._path}/{own['id']}", {"host": {"weight": 0}})
        [subnet] = self.clients[0].ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
        self._subnet = subnet["id"]
        self.count = 0

    def hosts(self) -> Any:
        return self.clients[0].ask("GET", self._path)["hosts"]

    def _enrolled(self, path: Path) -> Path:
        host = self.clients[0].ask("POST", self._path, {"host": {"name": path.stem}})["host"]
        token = self.clients[0].ask("POST", f"{self._path}/{host['id']}/enroll", {})["enrolment"]["token"]
        enroll(("127.0.0.1", self.agents_port), token, path)
        return path

    def create(self, client: Client) -> float:
        """Create a load balancer with a listener; return the seconds until it is ACTIVE."""
        start = time.perf_counter()
        listener = {"protocol": "HTTP", "protocol_port": 8080, "name": "web"}
        made = client.create("loadbalancer", "loadbalancers", vip_subnet_id=self._subnet, listeners=[listener])
        wait_for(lambda: client.is_active(f"loadbalancers/{made['id']}", "loadbalancer"))
        return time.perf_counter() - start

    def fill(self, size: int, deadline: float) -> list[float]:
        """Create load balancers, one at a time at each server, until there are so many; return the seconds of each."""

        def work(client: Client) -> list[float]:
            found = []
            while time.monotonic() < deadline and self._take(size):
                found.append(self.create(client))
            return found

        with ThreadPoolExecutor(len(self.clients)) as pool:
            return [each for found in pool.map(work, self.clients) for each in found]

    def _take(self, size: int) -> bool:
        if self.count >= size:
            return False
        self.count += 1
        return True

    def costs(self, rounds: int) -> Iterator[tuple[str, str]]:
        """Yield what was measured, and the median and the ninth decile in milliseconds, or another figure."""
        mine = self.agent.server.get("/wanted")
        listeners = iter(self.clients[0].ask("GET", "/v2.0/lbaas/listeners?limit=3&fields=id")["listeners"])
        for number, client in enumerate(self.clients):
            yield f"a change until ACTIVE, server {number}", timed(rounds, partial(_change, client, next(listeners)))
        yield "a beat", timed(rounds, lambda: self.agent.beat({}))
        yield "a beat with new totals of all its load balancers", timed(rounds, self.agent.beat_with_totals)
        yield "the whole list of a host", timed(rounds, lambda: self.agent.server.get("/wanted"))
        yield "… its size", f"{len(orjson.dumps(mine)) / 1000:.1f} kB for {len(mine)}"
        yield "the list of hosts in the API", timed(rounds, self.hosts)
        before, start = _ticks(self.clients[0].pid), time.perf_counter()
        time.sleep(IDLE)
        share = (_ticks(self.clients[0].pid) - before) / TICKS / (time.perf_counter() - start)
        yield "processor time of the server while nothing is changed", f"{share * 100:.1f} % of a core"


def timed(rounds: int, act: Callable[[], Any]) -> str:
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        act()
        found.append((time.perf_counter() - start) * 1000)
    return f"{statistics.median(found):.1f}, {statistics.quantiles(found, n=10)[-1]:.1f} ms"


def _change(client: Client, listener: Any) -> None:
    """Describe a listener, and wait until that is applied."""
    path = f"/v2.0/lbaas/listeners/{listener['id']}"
    client.ask("PUT", path, {"listener": {"description": str(time.time_ns())}})
    wait_for(lambda: client.is_active(f"listeners/{listener['id']}", "listener"))


def _is_healthy(port: int) -> bool:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthcheck")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@contextmanager
def database() -> Iterator[str]:
    binaries = programs()
    if binaries is None:
        raise SystemExit("PostgreSQL is not installed")
    cluster = Cluster(binaries)
    try:
        yield cluster.new_database()
    finally:
        cluster.remove()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--sizes", default="100,1000,10000")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--limit", type=float, default=600.0)
    given = parser.parse_args()
    deadline = time.monotonic() + given.limit
    with database() as url, tempfile.TemporaryDirectory() as directory, ExitStack() as ends:
        site = Site(Path(directory), url, given.agents, ends)
        for size in map(int, given.sizes.split(",")):
            seconds = site.fill(size, deadline)
            load = os.getloadavg()[0]
            print(f"\n{site.count} load balancers, {given.agents} agents, a load of {load:.0f}", flush=True)
            if len(seconds) > 1:
                newest = [each * 1000 for each in seconds[-given.rounds :]]
                print(f"  {'a new one until ACTIVE, three at a time':<58}{statistics.median(newest):.1f} ms (median)")
            for what, figure in site.costs(given.rounds):
                print(f"  {what:<58}{figure}", flush=True)
            if time.monotonic() > deadline:
                break


if __name__ == "__main__":
    main()
