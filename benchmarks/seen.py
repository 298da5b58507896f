"""What being seen costs: `python benchmarks/seen.py [--pairs 7] [--seconds 4] [--streams 50]`.

Told are the processor time of HAProxy for a request with and without its line in the log, in pairs of runs one after
the other, as loaded by wrk; the share of a core that the server takes for open event streams; and the time from an
answer until its line is followed. It needs wrk, the load generator.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))

from setting import free_port, haproxy

from running import end_server, processes_with, start_server
from shop import Client

PORT = 8080
CONNECTIONS = 32
MEMBER = """
defaults
 mode http
 timeout client 50s
 timeout connect 5s
 timeout server 50s
frontend members
 bind 127.0.0.1:{port}
 http-request return status 200 content-type text/plain string hello
"""
IDLE = 20.0  # s for which open streams are watched
LOOKS = 40  # lines whose way is timed


class Bench:
    """A load balancer with one member."""

    def __init__(self, client: Client, port: int) -> None:
        self.client = client
        members = [{"address": "127.0.0.1", "protocol_port": port}]
        pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
        listener = {"name": "http", "protocol": "HTTP", "protocol_port": PORT, "default_pool": pool}
        made = client.balancer("bench", listeners=[listener])
        self.id, self.address = made["id"], made["vip_address"]
        self.settle()

    def settle(self) -> None:
        path = f"/v2/lbaas/loadbalancers/{self.id}"
        while self.client.ask("GET", path)["loadbalancer"]["provisioning_status"] != "ACTIVE":
            time.sleep(0.05)

    def log(self, is_on: bool) -> None:
        self.client.ask("PUT", f"/v2/lbaas/loadbalancers/{self.id}/logging", {"logging": {"enabled": is_on}})
        self.settle()
        time.sleep(1)  # the worker before ends

    def run(self, seconds: float) -> float:
        """Load it; return the microseconds of HAProxy's processor time for each request."""
        pids = processes_with(self.id)
        begin = sum(map(cpu, pids))
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", f"http://{self.address}:{PORT}/catalogue/shoes"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"(\d+) requests in", told)
        assert found is not None, told
        return (sum(map(cpu, pids)) - begin) / int(found[1]) / 1000


@contextmanager
def member() -> Iterator[int]:
    """Run an HAProxy that answers by itself, since nothing slower would show a difference; yield its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "haproxy.cfg")
        path.write_text(MEMBER.format(port=port))
        process = subprocess.Popen([haproxy(), "-db", "-f", str(path)], stderr=subprocess.DEVNULL)
        try:
            yield port
        finally:
            process.terminate()
            process.wait()


def cpu(pid: int) -> int:
    """Return the nanoseconds that a process has been on a processor, in all of its threads."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((each / "schedstat").read_text().split()[0]) for each in tasks)
    except OSError:
        return 0


def paired(bench: Bench, pairs: int, seconds: float) -> None:
    ratios = []
    bench.run(seconds)
    for number in range(pairs):
        found = {}
        for is_on in (False, True) if number % 2 else (True, False):
            bench.log(is_on)
            found[is_on] = bench.run(seconds)
        ratios.append(found[True] / found[False])
        print(f"  {found[False]:.1f} µs without, {found[True]:.1f} µs with the log: {ratios[-1]:.3f}", flush=True)
    print(f"HAProxy's time with the log: {statistics.median(ratios):.3f} of that without (median of {pairs} pairs)")


def opened(client: Client, path: str) -> socket.socket:
    place = urlsplit(client.url)
    made = socket.create_connection((str(place.hostname), place.port or 80), timeout=60)
    head = f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nX-Auth-Token: {client.token}\r\n"
    made.sendall(f"{head}Accept: text/event-stream\r\n\r\n".encode())
    if b" 200 " not in made.recv(65536):
        raise RuntimeError(path)
    return made


def streams(client: Client, pid: int, number: int) -> None:
    shares = []
    made: list[socket.socket] = []
    for wanted in (0, number):
        made += [opened(client, "/v2/lbaas/events?follow") for _ in range(wanted)]
        time.sleep(1)
        begin = cpu(pid)
        time.sleep(IDLE)
        shares.append((cpu(pid) - begin) / IDLE / 1e9)
    for each in made:
        each.close()
    print(f"the server, idle: {shares[0]:.2%} of a core; with {number} open event streams: {shares[1]:.2%}")


def followed(bench: Bench) -> None:
    bench.log(True)
    stream = opened(bench.client, f"/v2/lbaas/loadbalancers/{bench.id}/logs?follow")
    times = []
    pending = b""
    for number in range(LOOKS):
        connection = http.client.HTTPConnection(bench.address, PORT, timeout=30)
        connection.request("GET", f"/followed/{number}")
        connection.getresponse().read()
        begin = time.perf_counter()
        connection.close()
        while json.dumps(f"/followed/{number}").encode() not in pending:
            pending += stream.recv(65536)
        times.append((time.perf_counter() - begin) * 1000)
    stream.close()
    cuts = statistics.quantiles(times, n=20)
    print(f"from an answer to its followed line: {statistics.median(times):.0f} ms (median), {cuts[-1]:.0f} ms (95 %)")


def main(pairs: int, seconds: float, number: int) -> None:
    with tempfile.TemporaryDirectory() as directory, member() as port:
        server = start_server(Path(directory) / "state", "--connections-per-address=400")
        try:
            client = Client(server)
            streams(client, server.process.pid, number)
            bench = Bench(client, port)
            followed(bench)
            paired(bench, pairs, seconds)
        finally:
            end_server(server)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4, help="of each run (4)")
    parser.add_argument("--streams", type=int, default=50)
    arguments = parser.parse_args()
    main(arguments.pairs, arguments.seconds, arguments.streams)
