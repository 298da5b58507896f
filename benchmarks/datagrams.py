"""Datagrams through a relay, beside nginx and Envoy where they are installed.

`python benchmarks/datagrams.py [ROUNDS [SECONDS]]`. All carry the same clients to the same two members, in turn. NGINX
and ENVOY may name the programs, NGINX_STREAM nginx's stream module; without, they are looked for. What is told is
round trips per second, the time of a single one, the processor time of the proxy for each, and its memory; then, for
clients that send 20,000, 40,000 and 60,000 datagrams a second whatever comes back, how long an answer takes and how
many there are.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Process, Queue
from pathlib import Path

from setting import wait_for

from lbclient.dataplane.haproxy.relay_process import RelayProcess
from lbclient.dataplane.relay.plan import Listener, Member, Plan, Pool

CLIENTS, WINDOW, SIZE = 8, 16, 100  # sockets, datagrams under way on each, bytes
SINGLE = 2000  # round trips, one after another
FLOODS = (20_000, 40_000, 60_000)  # datagrams sent per second
TICK = 0.001  # s between two bursts of a flood
STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
NGINX = """daemon off; master_process off; error_log stderr error; pid nginx.pid; {module}
events {{ worker_connections 40000; }}
stream {{ upstream members {{ {servers} }}
server {{ listen 127.0.0.1:{port} udp; proxy_pass members; proxy_timeout 50s; }} }}
"""
ENVOY = """static_resources:
  listeners:
  - name: listener
    address: {{socket_address: {{protocol: UDP, address: 127.0.0.1, port_value: {port}}}}}
    listener_filters:
    - name: envoy.filters.udp_listener.udp_proxy
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig
        stat_prefix: bench
        matcher: {{on_no_match: {{action: {{name: route, typed_config: {{
          "@type": type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3.Route, cluster: members}}}}}}}}
  clusters:
  - name: members
    type: STATIC
    circuit_breakers: {{thresholds: [{{max_connections: 100000}}]}}
    load_assignment: {{cluster_name: members, endpoints: [{{lb_endpoints: [{endpoints}]}}]}}
"""


@dataclass
class Measured:
    per_second: float
    median: float  # µs of a single round trip
    worst: float  # its 99th percentile
    processor: float  # µs of the proxy's for each


def free_port() -> int:
    """Below those that the kernel gives to clients."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def echo(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        listening.bind(("127.0.0.1", port))
        space = memoryview(bytearray(2048))
        while True:
            size, client = listening.recvfrom_into(space)
            listening.sendto(space[:size], client)


@contextmanager
def members() -> Iterator[list[int]]:
    ports = [free_port(), free_port()]
    processes = [Process(target=echo, args=(port,), daemon=True) for port in ports]
    for each in processes:
        each.start()
    try:
        wait_for(lambda: all(answers(port) for port in ports))
        yield ports
    finally:
        for each in processes:
            each.terminate()


def answers(port: int) -> bool:
    with connected(port) as client, suppress(OSError):
        client.settimeout(0.1)
        client.send(b"?")
        return bool(client.recv(10))
    return False


def connected(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.connect(("127.0.0.1", port))
    return made


@contextmanager
def ours(port: int, to: list[int]) -> Iterator[int]:
    there = "127.0.0.1"
    wanted = tuple(Member(f"m{each}", there, each, 1, True, False, there, each) for each in to)
    listener = Listener("listener", port, (there,), "pool", -1, 50.0)
    with tempfile.TemporaryDirectory() as directory:
        relay = RelayProcess(Path(directory))
        relay.apply(Plan((listener,), (Pool("pool", "ROUND_ROBIN", wanted),), 30000))
        try:
            yield relay.pid() or 0
        finally:
            relay.end()


@contextmanager
def program(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port) or process.poll() is not None)
        if process.poll() is not None:
            raise LookupError(f"{command[0]} does not carry UDP here")
        yield process.pid
    finally:
        process.terminate()
        process.wait()


@contextmanager
def nginx(path: str, port: int, to: list[int]) -> Iterator[int]:
    module = os.environ.get("NGINX_STREAM", STREAM_MODULE)
    load = f"load_module {module};" if Path(module).exists() else ""
    servers = " ".join(f"server 127.0.0.1:{each};" for each in to)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "nginx.conf")
        file.write_text(NGINX.format(port=port, servers=servers, module=load))
        with program([path, "-p", directory, "-c", str(file), "-e", "stderr"], port) as pid:
            yield pid


@contextmanager
def envoy(path: str, port: int, to: list[int]) -> Iterator[int]:
    place = "{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}}}}}"
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "envoy.yaml")
        file.write_text(ENVOY.format(port=port, endpoints=", ".join(place.format(each) for each in to)))
        with program([path, "-c", str(file), "--concurrency", "1", "--log-level", "error"], port) as pid:
            yield pid


def rate(port: int, seconds: float, said: Queue[float]) -> None:
    """Keeps a window of datagrams under way on each of some sockets."""
    clients = {each.fileno(): each for each in (connected(port) for _ in range(CLIENTS))}
    ready, data, count = select.epoll(), bytes(SIZE), 0
    for number, client in clients.items():
        client.setblocking(False)
        ready.register(number, select.EPOLLIN)
        for _ in range(WINDOW):
            client.send(data)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for number, _ in ready.poll(0.05) or [(each, 0) for each in clients]:  # some were lost: again
            with suppress(OSError):
                clients[number].recv(2048)
                count += 1
            with suppress(OSError):
                clients[number].send(data)
    said.put(count / seconds)


def flood(port: int, wanted: int, seconds: float, said: Queue[tuple[float, float, float]]) -> None:
    """Send datagrams at a fixed rate; say the median and 99th percentile of the ms to an answer, and how many came."""
    clients = [connected(port) for _ in range(CLIENTS)]
    for client in clients:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
    padding, sent, took = bytes(SIZE - 8), 0, []
    start = time.perf_counter()
    while (now := time.perf_counter() - start) < seconds:
        for _ in range(min(int(now * wanted) - sent, int(wanted * TICK * 10))):
            with suppress(BlockingIOError):
                clients[sent % CLIENTS].send(struct.pack("d", time.perf_counter()) + padding)
            sent += 1
        for client in clients:
            with suppress(BlockingIOError):
                while True:
                    took.append(time.perf_counter() - struct.unpack_from("d", client.recv(2048))[0])
        time.sleep(max(0.0, start + int((time.perf_counter() - start) / TICK + 1) * TICK - time.perf_counter()))
    took.sort()
    said.put((took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000, len(took) / sent))


def flooded(port: int, wanted: int, seconds: float) -> tuple[float, float, float]:
    said: Queue[tuple[float, float, float]] = Queue()
    load = Process(target=flood, args=(port, wanted, seconds, said))
    load.start()
    found = said.get()
    load.join()
    time.sleep(0.2)  # until every queue is empty
    return found


def tell_floods(proxies: dict[str, tuple[int, int]], rounds: int, seconds: float) -> None:
    for wanted in FLOODS:
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in proxies}
        for _ in range(rounds):
            for name in random.sample(list(proxies), len(proxies)):
                found[name].append(flooded(proxies[name][0], wanted, seconds))
        for name, each in found.items():
            low, middle, high = statistics.quantiles([median for median, _, _ in each], n=4)
            worst, share = (statistics.median(one[place] for one in each) for place in (1, 2))
            line = f"{wanted:,}/s, {name:6}  median {middle:6.2f} ms ({low:.2f} to {high:.2f})"
            print(f"{line}, p99 {worst:6.2f} ms, answered {share:4.0%}", flush=True)


def single(port: int) -> list[float]:
    times = []
    with connected(port) as client:
        client.settimeout(5)
        for _ in range(SINGLE):
            start = time.perf_counter()
            client.send(bytes(SIZE))
            client.recv(2048)
            times.append((time.perf_counter() - start) * 1e6)
    return sorted(times)


def processor(pid: int) -> float:
    """Seconds that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """MB that the process has to itself."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def measure(port: int, pid: int, seconds: float) -> Measured:
    said: Queue[float] = Queue()
    before = processor(pid)
    load = Process(target=rate, args=(port, seconds, said))
    load.start()
    per_second = said.get()
    load.join()
    used = (processor(pid) - before) / (per_second * seconds) * 1e6
    times = single(port)
    return Measured(per_second, times[SINGLE // 2], times[SINGLE * 99 // 100], used)


def crowd(port: int, pid: int, number: int) -> float:
    """kB that each of many clients takes in the process."""
    before = memory(pid)
    with ExitStack() as stack:
        for _ in range(number):
            client = stack.enter_context(connected(port))
            client.settimeout(5)
            client.send(b"?")
            client.recv(10)
        return (memory(pid) - before) * 1024 / number


def main(rounds: int = 5, seconds: float = 2.0) -> None:
    found: dict[str, Callable[[int, list[int]], object]] = {"relay": ours}
    for name, start in (("nginx", nginx), ("envoy", envoy)):
        path = os.environ.get(name.upper()) or shutil.which(name)
        if path:
            found[name] = lambda port, to, start=start, path=path: start(path, port, to)
    with members() as to, ExitStack() as stack:
        proxies = {}
        for name, start in found.items():
            port = free_port()
            try:
                proxies[name] = port, stack.enter_context(start(port, to))
            except LookupError as reason:
                print(reason, file=sys.stderr)
        results: dict[str, list[Measured]] = {name: [] for name in proxies}
        for _ in range(rounds):
            for name, (port, pid) in proxies.items():
                results[name].append(measure(port, pid, seconds))
        print("          round trips/s   single: median, p99   processor   memory   for each client")
        for name, (port, pid) in proxies.items():
            middle = [statistics.median(vars(each)[key] for each in results[name]) for key in vars(results[name][0])]
            used = memory(pid)
            print(
                f"{name:8}  {middle[0]:10,.0f}      {middle[1]:5.0f} {middle[2]:8.0f} us"
                f"        {middle[3]:5.1f} us   {used:4.1f} MB  {crowd(port, pid, 5000):5.2f} kB"
            )
        tell_floods(proxies, rounds, seconds)


if __name__ == "__main__":
    main(*(kind(each) for kind, each in zip((int, float), sys.argv[1:], strict=False)))
