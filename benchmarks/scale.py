"""Many load balancers on one machine: `python benchmarks/scale.py [--balancers 100] [--members 10] [--idle 20]`.

Each has a listener, a pool of members and a health monitor, and is made by one request. Told are the times to ACTIVE of
the first ones and of the last ones, memory, the processor time of the idle server and of all HAProxy processes, and
how long everything takes to be there again after a restart of the server and after one of the machine (all processes
are killed, then the server is started). A thousand need some 10 GiB.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import setting
from latency import accepts
from setting import Client, free_port, haproxy, wait_for

NETWORK = "127.77.0.0/18"  # room for 16,000 VIPs
PORT = 8080  # of every listener
DELAY = 10  # s between two health checks of a member
FEW = 20  # balancers are "the first" and "the last"
TICKS = os.sysconf("SC_CLK_TCK")
MEMBERS = """
global
 maxconn 2000
defaults
 mode http
 timeout client 5s
 timeout connect 5s
 timeout server 5s
frontend members
{binds}
 http-request return status 200 content-type text/plain string hello
"""


class Machine:
    """A server on a state directory of its own; it and all HAProxy processes can be killed."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Client:
        """A server that answers."""
        command = [sys.executable, "-m", "lbclient.server.main", "--state-directory", self.directory]
        options = ["--bind-port", str(self.port), "--private-cidr", NETWORK]
        with Path(self.directory, "server.log").open("ab") as log:
            self.process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
        clouds = Path(self.directory, "clouds.yaml")
        wait_for(lambda: clouds.exists() and accepts("127.0.0.1", self.port), 0.005)
        return Client(self.port, clouds)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait()

    def crash(self) -> None:
        """What a power cut leaves."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        wait_for(self._kill_all, 0.1)

    def _kill_all(self) -> bool:
        found = self.proxies()
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not found

    def proxies(self) -> list[int]:
        """All HAProxy processes below the directory."""
        mark = f"{self.directory}/haproxy/".encode()
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if mark in _of(pid, "cmdline")]


def _of(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def kilobytes(pid: int, name: str) -> int:
    """Rss, Pss, … of a process."""
    lines = _of(pid, "smaps_rollup").decode().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def processor(pids: list[int]) -> float:
    """Seconds of processor time that processes have had."""
    stats = (_of(pid, "stat").decode().rpartition(")")[2].split() for pid in pids)
    return sum((int(fields[11]) + int(fields[12])) / TICKS for fields in stats if fields)


@contextmanager
def members(ports: list[int], directory: str) -> Iterator[None]:
    path = Path(directory, "members.cfg")
    path.write_text(MEMBERS.format(binds="\n".join(f" bind 127.0.0.1:{port}" for port in ports)))
    process = subprocess.Popen([haproxy(), "-db", "-f", str(path)], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: accepts("127.0.0.1", ports[-1]))
        yield
    finally:
        process.kill()
        process.wait()


def tree(name: str, subnet: str, ports: list[int]) -> dict[str, Any]:
    pool = {
        "name": "pool",
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "members": [{"address": "127.0.0.1", "protocol_port": port} for port in ports],
        "healthmonitor": {"type": "HTTP", "delay": DELAY, "timeout": 3, "max_retries": 2},
    }
    listener = {"protocol": "HTTP", "protocol_port": PORT, "default_pool": pool}
    return {"name": name, "vip_subnet_id": subnet, "listeners": [listener]}


def create(client: Client, count: int, ports: list[int]) -> tuple[list[Any], list[float]]:
    """Balancers one after the other; from each request until ACTIVE."""
    [subnet] = client.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
    made, seconds = [], []
    for number in range(count):
        start = time.perf_counter()
        made.append(client.create("loadbalancer", "loadbalancers", **tree(f"lb-{number}", subnet["id"], ports)))
        wait_for(lambda: client.is_active(f"loadbalancers/{made[-1]['id']}", "loadbalancer"), 0.01)
        seconds.append(time.perf_counter() - start)
        if (number + 1) % 100 == 0:
            print(f"# {number + 1} in {sum(seconds):.0f} s", file=sys.stderr, flush=True)
    wait_for(lambda: accepts(made[-1]["vip_address"], PORT))
    return made, seconds


def changed(client: Client, balancer: Any) -> float:
    """How long a change of a weight takes until ACTIVE."""
    [pool] = client.ask("GET", f"/v2.0/lbaas/pools?loadbalancer_id={balancer['id']}")["pools"]
    path = f"/v2.0/lbaas/pools/{pool['id']}/members/{pool['members'][0]['id']}"
    start = time.perf_counter()
    client.ask("PUT", path, {"member": {"weight": 7}})
    wait_for(lambda: client.is_active(f"loadbalancers/{balancer['id']}", "loadbalancer"))
    return time.perf_counter() - start


def idle(machine: Machine, seconds: int) -> tuple[float, float]:
    """The share of a core that the server takes, and the one that all HAProxy processes take."""
    assert machine.process is not None
    server, proxies = [machine.process.pid], machine.proxies()
    before = processor(server), processor(proxies)
    time.sleep(seconds)
    after = processor(server), processor(proxies)
    return (after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds


def told(what: str, figure: str) -> None:
    print(f"{what:<72}{figure:>14}", flush=True)


def milliseconds(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f} ms"


def tell_memory(machine: Machine, before: int, count: int) -> None:
    assert machine.process is not None
    proxies = machine.proxies()
    for name in ("Rss", "Pss"):
        total = sum(kilobytes(pid, name) for pid in proxies)
        told(f"HAProxy, memory a balancer ({name}, master and worker)", f"{total / count / 1024:.1f} MB")
    after = kilobytes(machine.process.pid, "Rss")
    told("the server, memory before the first (Rss)", f"{before / 1024:.0f} MB")
    told("the server, memory a balancer (Rss)", f"{(after - before) / count:.0f} kB")


def tell_restarts(machine: Machine, balancers: list[Any]) -> None:
    machine.stop()
    start = time.perf_counter()
    client = machine.start()
    told("server restarted: until the API answers", f"{time.perf_counter() - start:.1f} s")
    changed(client, balancers[-1])
    told("server restarted: until the last balancer can be changed", f"{time.perf_counter() - start:.1f} s")
    time.sleep(1)
    machine.crash()
    start = time.perf_counter()
    machine.start()
    waiting = {each["vip_address"] for each in balancers}
    while waiting:
        waiting = {address for address in waiting if not accepts(address, PORT)}
        if len(waiting) < len(balancers):
            time.sleep(0.2)
    told("machine restarted: until all balancers accept", f"{time.perf_counter() - start:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--balancers", type=int, default=100)
    parser.add_argument("--members", type=int, default=10, help="of each balancer")
    parser.add_argument("--idle", type=int, default=20, help="seconds to watch an idle server")
    options = parser.parse_args()
    setting.DEADLINE = 300.0
    with tempfile.TemporaryDirectory(prefix="lbclient-scale-") as directory:
        ports = [free_port() for _ in range(options.members)]
        machine = Machine(directory)
        try:
            with members(ports, directory):
                run(machine, options, ports)
        finally:
            machine.crash()


def run(machine: Machine, options: argparse.Namespace, ports: list[int]) -> None:
    client = machine.start()
    assert machine.process is not None
    before = kilobytes(machine.process.pid, "Rss")
    balancers, seconds = create(client, options.balancers, ports)
    few = min(FEW, options.balancers)
    told(f"{options.balancers} balancers with {options.members} members each; made in", f"{sum(seconds):.0f} s")
    told(f"from the request to ACTIVE, the first {few} (median)", milliseconds(seconds[:few]))
    told(f"from the request to ACTIVE, the last {few} (median)", milliseconds(seconds[-few:]))
    told("a weight of the last balancer, from the request to ACTIVE", milliseconds([changed(client, balancers[-1])]))
    tell_memory(machine, before, options.balancers)
    time.sleep(15)  # until nobody is looked at more often than an idle one
    server, proxies = idle(machine, options.idle)
    told("the server, all idle: of a core", f"{server:.1%}")
    told(f"all HAProxy processes, checking every {DELAY} s: of a core", f"{proxies:.1%}")
    tell_restarts(machine, balancers)


if __name__ == "__main__":
    main()
