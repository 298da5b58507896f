"""Many load balancers on one machine: `python benchmarks/scale.py [--balancers 100] [--members 10] [--idle 20]`.

Each has a listener, a pool of members and a health monitor, and is made by one request. Told are the times to ACTIVE of
the first ones and of the last ones, memory beside the formula of
doc/source/operating/capacity.rst, the processor time of the idle server and of all HAProxy processes, and
how long everything takes to be there again after a restart of the server and after one of the machine (all processes
are killed, then the server is started). Yardsticks are a server without any load balancers, and HAProxy by itself: the
same configurations, started as many at a time as there are processors. A thousand need some 10 GiB.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import setting
from latency import accepts
from setting import Client, free_port, free_ports, haproxy, wait_for

NETWORK = "127.77.0.0/18"  # room for 16,000 VIPs
PORT = 8080  # of every listener
DELAY = 10  # s between two health checks of a member
BARE = "bare"  # the directory of those that are started without a server
SERVER, BALANCER, MEMBER = 110_000, 6_500, 12  # kB, of the formula of the capacity page
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
        wait_for(lambda: self.kill_all("haproxy"), 0.1)

    def kill_all(self, below: str) -> bool:
        """Whether there were none."""
        found = self.proxies(below)
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not found

    def proxies(self, below: str = "haproxy") -> list[int]:
        """All HAProxy processes there."""
        mark = f"{self.directory}/{below}".encode()
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


def processor(pids: list[int], with_ended: bool = False) -> float:
    """Seconds of processor time that processes have had; if asked, also their children that have ended."""
    stats = (_of(pid, "stat").decode().rpartition(")")[2].split() for pid in pids)
    return sum(sum(map(int, fields[11 : 15 if with_ended else 13])) / TICKS for fields in stats if fields)


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


def create(
    machine: Machine, client: Client, count: int, ports: list[int]
) -> tuple[list[Any], list[float], list[float], list[float]]:
    """Balancers one after the other: seconds from each request until ACTIVE, of the server's processor time meanwhile,
    and until HAProxy alone has started with the configurations of the first and the last.
    """
    assert machine.process is not None
    [subnet] = client.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
    made, seconds, took, alone = [], [], [], []
    for number in range(count):
        start, before = time.perf_counter(), processor([machine.process.pid])
        made.append(client.create("loadbalancer", "loadbalancers", **tree(f"lb-{number}", subnet["id"], ports)))
        wait_for(lambda: client.is_active(f"loadbalancers/{made[-1]['id']}", "loadbalancer"), 0.01)
        seconds.append(time.perf_counter() - start)
        took.append(processor([machine.process.pid]) - before)
        if number < FEW or number >= count - FEW:
            alone.append(started_beside(machine, made[-1]["id"]))
        if (number + 1) % 100 == 0:
            print(f"# {number + 1} in {sum(seconds):.0f} s", file=sys.stderr, flush=True)
    wait_for(lambda: accepts(made[-1]["vip_address"], PORT))
    return made, seconds, took, alone


def started_beside(machine: Machine, name: str) -> float:
    """Seconds that HAProxy takes to start with the same configuration but another port, on the same machine."""
    place = _copied(machine, name)
    configuration = place / "haproxy.cfg"
    configuration.write_text(configuration.read_text().replace(f":{PORT}", f":{PORT + 1}"))
    start = time.perf_counter()
    assert start_bare(haproxy(), place) == 0
    seconds = time.perf_counter() - start
    wait_for(lambda: machine.kill_all(f"{BARE}/{name}"), 0.01)
    shutil.rmtree(place)
    return seconds


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


def formula(balancers: int, members: int) -> int:
    """The memory in kB that balancers with so many members each are promised to take at most, without connections."""
    return SERVER + balancers * (BALANCER + members * MEMBER)


def tell_memory(machine: Machine, before: int, count: int, members: int) -> float:
    """Return the memory as a share of what the formula gives."""
    assert machine.process is not None
    proxies = machine.proxies()
    for name in ("Rss", "Pss"):
        total = sum(kilobytes(pid, name) for pid in proxies)
        told(f"HAProxy, memory a balancer ({name}, master and worker)", f"{total / count / 1024:.1f} MB")
    after = kilobytes(machine.process.pid, "Rss")
    told("the server, memory before the first (Rss)", f"{before / 1024:.0f} MB")
    told("the server, memory a balancer (Rss)", f"{(after - before) / count:.0f} kB")
    everything = after + total  # the last total is Pss
    told("all memory", f"{everything / 1024:.0f} MB")
    share = everything / formula(count, members)
    told("all memory beside the formula of the capacity page", f"{share:.2f}")
    return share


def tell_restarts(machine: Machine, balancers: list[Any], alone: float) -> None:
    machine.stop()
    began = time.time()
    start = time.perf_counter()
    client = machine.start()
    seconds = time.perf_counter() - start
    told("server restarted: until the API answers", f"{seconds:.1f} s")
    told("server restarted: beside one without load balancers", f"{seconds / alone:.1f}")
    changed(client, balancers[-1])
    told("server restarted: until the last balancer has been changed", f"{time.perf_counter() - start:.1f} s")
    wait_for(lambda: all(_is_watched(machine, each, began) for each in balancers), 0.1)
    told("server restarted: until all are taken over", f"{time.perf_counter() - start:.1f} s")
    time.sleep(1)
    ours, ours_processor = restarted(machine, balancers)
    told("machine restarted: until all balancers accept", f"{ours:.1f} s")
    machine.crash()
    bare, bare_processor = started_bare(machine, balancers)
    told("HAProxy alone: until all accept", f"{bare:.1f} s")
    told("machine restarted: time beside HAProxy alone", f"{ours / bare:.1f}")
    told("machine restarted: processor time beside HAProxy alone", f"{ours_processor / bare_processor:.1f}")


def _is_watched(machine: Machine, balancer: Any, since: float) -> bool:
    """Whether the server has made its socket for what this HAProxy tells."""
    try:
        return Path(machine.directory, "haproxy", balancer["id"], "alarms.sock").stat().st_ctime > since
    except FileNotFoundError:  # it is just being made anew
        return False


def restarted(machine: Machine, balancers: list[Any]) -> tuple[float, float]:
    """Seconds from the machine's start until all accept, and of processor time."""
    machine.crash()
    start = time.perf_counter()
    machine.start()
    assert machine.process is not None
    wait_for_all(balancers)
    seconds = time.perf_counter() - start
    return seconds, processor([machine.process.pid, *machine.proxies()], with_ended=True)


def started_bare(machine: Machine, balancers: list[Any]) -> tuple[float, float]:
    """The same of the same configurations without a server."""
    places = [_copied(machine, each["id"]) for each in balancers]
    before = _of_ended()
    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert not any(pool.map(partial(start_bare, haproxy()), places))
    wait_for_all(balancers)
    seconds = time.perf_counter() - start
    took = processor(machine.proxies(BARE), with_ended=True) + _of_ended() - before
    wait_for(lambda: machine.kill_all(BARE), 0.1)
    return seconds, took


def _copied(machine: Machine, name: str) -> Path:
    place = Path(machine.directory, BARE, name)
    place.mkdir(parents=True)
    for file in ("haproxy.cfg", "states"):
        shutil.copy(Path(machine.directory, "haproxy", name, file), place)
    return place


def start_bare(binary: str, place: Path) -> int:
    command = [binary, "-W", "-D", "-C", str(place), "-f", "haproxy.cfg", "-p", "pid", "-S", "unix@master.sock"]
    nowhere = subprocess.DEVNULL
    return subprocess.run(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, check=False).returncode


def _of_ended() -> float:
    """Processor time of our children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def wait_for_all(balancers: list[Any]) -> None:
    for each in balancers:
        wait_for(lambda: accepts(each["vip_address"], PORT), 0.02)  # noqa: B023


def main() -> int:
    """Measure; the exit status is 1 where more memory is needed than the formula says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--balancers", type=int, default=100)
    parser.add_argument("--members", type=int, default=10, help="of each balancer")
    parser.add_argument("--idle", type=int, default=20, help="seconds to watch an idle server")
    options = parser.parse_args()
    setting.DEADLINE = 300.0
    with tempfile.TemporaryDirectory(prefix="lbclient-scale-") as directory:
        ports = free_ports(options.members)
        machine = Machine(directory)
        try:
            with members(ports, directory):
                return run(machine, options, ports)
        finally:
            machine.crash()
            machine.kill_all(BARE)


def run(machine: Machine, options: argparse.Namespace, ports: list[int]) -> int:
    """Return the exit status."""
    machine.start()
    machine.stop()
    start = time.perf_counter()
    client = machine.start()
    alone = time.perf_counter() - start
    told("a server without load balancers restarted: until the API answers", f"{alone:.1f} s")
    assert machine.process is not None
    before = kilobytes(machine.process.pid, "Rss")
    balancers, seconds, took, alone_started = create(machine, client, options.balancers, ports)
    few = min(FEW, options.balancers)
    first, last = (statistics.median(some) for some in (seconds[:few], seconds[-few:]))
    told(f"{options.balancers} balancers with {options.members} members each; made in", f"{sum(seconds):.0f} s")
    told(f"from the request to ACTIVE, the first {few} (median)", milliseconds(seconds[:few]))
    told(f"from the request to ACTIVE, the last {few} (median)", milliseconds(seconds[-few:]))
    told(f"the last {few} beside the first {few}", f"{last / first:.2f}")
    first_alone, last_alone = (statistics.median(some) for some in (alone_started[:few], alone_started[-few:]))
    told(f"HAProxy alone with the same configuration, the first {few} (median)", f"{first_alone * 1000:.1f} ms")
    told(f"HAProxy alone with the same configuration, the last {few} (median)", f"{last_alone * 1000:.1f} ms")
    told(f"HAProxy alone: the last {few} beside the first {few}", f"{last_alone / first_alone:.2f}")
    told(f"the server's processor time, the first {few} (mean)", f"{sum(took[:few]) / few * 1000:.1f} ms")
    told(f"the server's processor time, the last {few} (mean)", f"{sum(took[-few:]) / few * 1000:.1f} ms")
    told("a weight of the last balancer, from the request to ACTIVE", milliseconds([changed(client, balancers[-1])]))
    share = tell_memory(machine, before, options.balancers, options.members)
    time.sleep(15)  # until nobody is looked at more often than an idle one
    server, proxies = idle(machine, options.idle)
    told("the server, all idle: of a core", f"{server:.1%}")
    told(f"all HAProxy processes, checking every {DELAY} s: of a core", f"{proxies:.1%}")
    tell_restarts(machine, balancers, alone)
    return 0 if share <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
