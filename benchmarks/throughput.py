"""Requests per second through a load balancer, beside the same HAProxy with a hand-written configuration.

`python benchmarks/throughput.py [PAIRS [SECONDS]]`. Both are measured in turn, A B A B …, and compared pair by pair, so
that a machine whose speed drifts does not decide. It needs wrk, the load generator; members are an HAProxy that
answers by itself, since nothing slower would show a difference.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latency import accepts
from setting import free_port, haproxy, server, wait_for

CONNECTIONS = 32
TIMEOUTS = "timeout client 50s\n timeout connect 5s\n timeout server 50s\n"
MEMBERS = """
defaults
 mode http
 {timeouts}
frontend members
 bind 127.0.0.1:{first}
 bind 127.0.0.1:{second}
 http-request return status 200 content-type text/plain string hello
"""
BY_HAND = """
global
 nbthread 1
defaults
 mode http
 {timeouts}
frontend clients
 bind 127.0.0.1:{port}
 default_backend members
backend members
 balance roundrobin
 server one 127.0.0.1:{first}
 server two 127.0.0.1:{second}
"""


@contextmanager
def running(configuration: str, port: int) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "haproxy.cfg")
        path.write_text(configuration)
        process = subprocess.Popen([haproxy(), "-db", "-f", str(path)], stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: accepts("127.0.0.1", port))
            yield
        finally:
            process.kill()
            process.wait()


def rate(address: str, port: int, seconds: int) -> tuple[float, float]:
    """(requests per second, p99 latency in ms) of one run. Raises RuntimeError when a request failed."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", f"http://{address}:{port}/"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(output)
    per_second = re.search(r"Requests/sec:\s+([\d.]+)", output)
    worst = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    assert per_second
    assert worst
    return float(per_second[1]), float(worst[1]) * {"us": 0.001, "ms": 1, "s": 1000}[worst[2]]


def pair(
    ours: tuple[str, int], theirs: tuple[str, int], seconds: int, is_swapped: bool
) -> tuple[tuple[float, float], tuple[float, float]]:
    """One run of each; who comes first changes from pair to pair."""
    first, second = (theirs, ours) if is_swapped else (ours, theirs)
    results = rate(*first, seconds), rate(*second, seconds)
    return results[::-1] if is_swapped else results


def main() -> None:
    if not shutil.which("wrk"):
        sys.exit("This benchmark needs wrk, which most distributions have as a package.")
    pairs, seconds = (int(word) for word in [*sys.argv[1:], "9", "3"][:2])
    first, second, by_hand = free_port(), free_port(), free_port()
    ports = {"first": first, "second": second, "port": by_hand, "timeouts": TIMEOUTS}
    with server() as client, running(MEMBERS.format(**ports), first), running(BY_HAND.format(**ports), by_hand):
        balancer = client.loadbalancer()
        address, port = balancer["vip_address"], free_port(balancer["vip_address"])
        listener = client.create(
            "listener", "listeners", loadbalancer_id=balancer["id"], protocol="HTTP", protocol_port=port
        )
        pool = client.create("pool", "pools", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
        for member in (first, second):
            client.create("member", f"pools/{pool['id']}/members", address="127.0.0.1", protocol_port=member)
        wait_for(lambda: client.is_active(f"loadbalancers/{balancer['id']}", "loadbalancer"))
        rate(address, port, 1)
        rate("127.0.0.1", by_hand, 1)
        results = [pair((address, port), ("127.0.0.1", by_hand), seconds, number % 2 == 1) for number in range(pairs)]
    for number, what in ((0, "requests/s"), (1, "p99 in ms")):
        ours = statistics.median(each[0][number] for each in results)
        theirs = statistics.median(each[1][number] for each in results)
        ratios = sorted(each[0][number] / each[1][number] for each in results)
        print(
            f"{what}: through lbclient {ours:.2f}, by hand {theirs:.2f}; "
            f"ratio {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}, {pairs} pairs of {seconds} s)"
        )


if __name__ == "__main__":
    main()
