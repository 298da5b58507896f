"""Traffic through a load balancer, beside the same HAProxy by hand, nginx and Envoy: HTTP, TCP and TLS.

`python benchmarks/throughput.py [ROUNDS [SECONDS]]`. In each round everybody carries the same load in turn, each time
in another order, and ratios are those of one round, so that a machine whose speed drifts does not decide. It needs
wrk, the load generator; members are an HAProxy that answers by itself, since nothing slower would show a difference.
NGINX and ENVOY may name the programs, NGINX_STREAM nginx's stream module; without, they are looked for, and left out
if missing.
"""

from __future__ import annotations

import base64
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import rivals
from latency import accepts
from setting import Client, free_port, haproxy, server, wait_for

from lbclient.dataplane.haproxy import process_table

CONNECTIONS = 32
MEMBERS = """
defaults
 mode http
 timeout client 50s
 timeout connect 5s
 timeout server 50s
frontend members
 bind 127.0.0.1:{first}
 bind 127.0.0.1:{second}
 http-request return status 200 content-type text/plain string hello
"""
LOADS = {
    "HTTP": ("http", ()),
    "TCP": ("tcp", ()),
    "TLS": ("tls", ()),
    "TLS, a handshake for each": ("tls", ("-H", "Connection: close")),
}
MOST_HANDSHAKES = 1  # s; each takes a port from the kernel for a minute
UNITS = {"us": 0.001, "ms": 1, "s": 1000}


@dataclass(frozen=True)
class Proxy:
    """One who carries the load: where, and as which processes."""

    name: str
    address: str
    ports: rivals.Ports
    pids: tuple[int, ...]

    def processor(self) -> float:
        """Seconds that its processes have used."""
        return sum(map(_seconds, self.pids))


@dataclass(frozen=True)
class Measured:
    per_second: float
    worst: float  # ms: the 99th percentile
    processor: float  # µs of the proxy's for each request


def _seconds(pid: int) -> float:
    """Of all its threads, as the scheduler counts, to the nanosecond."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


@contextmanager
def certificate() -> Iterator[Path]:
    """A directory with key.pem, cert.pem, both.pem and bundle.p12."""
    with tempfile.TemporaryDirectory() as name:
        make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=shop.example"
        pack = "openssl pkcs12 -export -inkey key.pem -in cert.pem -passout pass: -out bundle.p12"
        for command in (f"{make} -keyout key.pem -out cert.pem", pack):
            subprocess.run(command.split(), cwd=name, check=True, capture_output=True)
        directory = Path(name)
        Path(directory, "both.pem").write_text(
            Path(directory, "cert.pem").read_text() + Path(directory, "key.pem").read_text()
        )
        yield directory


@contextmanager
def running(command: list[str], *ports: int) -> Iterator[int]:
    # In a session of its own, as all daemons are: Linux shares the processor among sessions.
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, start_new_session=True, **quiet)
    try:
        wait_for(lambda: all(accepts("127.0.0.1", port) for port in ports))
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def started(name: str, to: tuple[int, int], secret: Path) -> Iterator[Proxy]:
    """A rival on ports of its own, configured by hand."""
    ports = rivals.Ports(free_port(), free_port(), free_port())
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "configuration.yaml")
        file.write_text(rivals.CONFIGURATIONS[name](ports, to, secret))
        command = [part.format(directory=directory, file=file) for part in COMMANDS[name]]
        with running([PROGRAMS[name], *command], *ports) as pid:
            yield Proxy(name, "127.0.0.1", ports, (pid,))


def ours(client: Client, to: tuple[int, int], secret: Path) -> Proxy:
    """The same through the API."""
    balancer = client.loadbalancer()
    payload = base64.b64encode((secret / "bundle.p12").read_bytes()).decode()
    octets = {"payload_content_type": "application/octet-stream", "payload_content_encoding": "base64"}
    reference = client.ask("POST", "/key-manager/v1/secrets", {"payload": payload, **octets})["secret_ref"]
    ports = rivals.Ports(*(free_port(balancer["vip_address"]) for _ in range(3)))
    for protocol, port in zip(("HTTP", "TCP", "TERMINATED_HTTPS"), ports, strict=True):
        values = {"default_tls_container_ref": reference} if protocol == "TERMINATED_HTTPS" else {}
        values |= {"loadbalancer_id": balancer["id"], "protocol": protocol, "protocol_port": port}
        listener = client.create("listener", "listeners", **values)
        kind = "TCP" if protocol == "TCP" else "HTTP"
        pool = client.create("pool", "pools", listener_id=listener["id"], protocol=kind, lb_algorithm="ROUND_ROBIN")
        for member in to:
            client.create("member", f"pools/{pool['id']}/members", address="127.0.0.1", protocol_port=member)
    wait_for(lambda: client.is_active(f"loadbalancers/{balancer['id']}", "loadbalancer"))
    directory = client.clouds.parent / "haproxy" / balancer["id"]
    wait_for(lambda: len(process_table.family(directory)) == 2)  # the workers of former configurations have ended
    return Proxy("lbclient", balancer["vip_address"], ports, tuple(process_table.family(directory)))


def measure(proxy: Proxy, load: str, seconds: int) -> Measured:
    """One run. Raises RuntimeError when a request failed."""
    what, more = LOADS[load]
    url = f"{'https' if what == 'tls' else 'http'}://{proxy.address}:{getattr(proxy.ports, what)}/"
    before = proxy.processor()
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", *more, url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    used = proxy.processor() - before
    if "Non-2xx" in output or ("Socket errors" in output and not more):  # wrk takes an announced end for one
        raise RuntimeError(f"{proxy.name}, {load}: {output}")
    figures = [re.search(each, output) for each in (r"Requests/sec:\s+([\d.]+)", r"99%\s+([\d.]+)(us|ms|s)")]
    count = re.search(r"(\d+) requests in", output)
    assert figures[0]
    assert figures[1]
    assert count
    return Measured(float(figures[0][1]), float(figures[1][1]) * UNITS[figures[1][2]], used / int(count[1]) * 1e6)


def compare(proxies: list[Proxy], load: str, rounds: int, seconds: int) -> None:
    """Everybody in turn, and a line for each."""
    results: dict[str, list[Measured]] = {each.name: [] for each in proxies}
    for each in proxies:
        measure(each, load, 1)
    for _ in range(rounds):
        for each in random.sample(proxies, len(proxies)):
            results[each.name].append(measure(each, load, seconds))
    print(f"\n{load}, {rounds} rounds of {seconds} s; in brackets lbclient's to theirs, middle half of the rounds")
    for name, found in results.items():
        print(f"{name:<18}" + "   ".join(_figure(what, found, results["lbclient"]) for what in FIGURES))


FIGURES = {"per_second": "requests/s", "worst": "ms p99", "processor": "µs of processor time"}


def _figure(what: str, found: list[Measured], mine: list[Measured]) -> str:
    median = statistics.median(getattr(each, what) for each in found)
    ratios = [getattr(own, what) / getattr(other, what) for own, other in zip(mine, found, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    compared = "" if found is mine else f" ({middle:.2f}; {low:.2f} to {high:.2f})"
    return f"{median:9.1f} {FIGURES[what]}{compared}"


PROGRAMS = {
    "HAProxy by hand": haproxy(),
    "nginx": os.environ.get("NGINX") or which("nginx") or "",
    "Envoy": os.environ.get("ENVOY") or which("envoy") or "",
}
COMMANDS = {
    "HAProxy by hand": ("-db", "-f", "{file}"),
    "nginx": ("-p", "{directory}", "-c", "{file}", "-e", "stderr"),
    "Envoy": ("-c", "{file}", "--concurrency", "1", "--log-level", "error"),
}


def main() -> None:
    if not which("wrk"):
        sys.exit("This benchmark needs wrk, which most distributions have as a package.")
    rounds, seconds = (int(word) for word in [*sys.argv[1:], "9", "3"][:2])
    to = free_port(), free_port()
    with ExitStack() as stack:
        secret = stack.enter_context(certificate())
        members = Path(secret, "members.cfg")
        members.write_text(MEMBERS.format(first=to[0], second=to[1]))
        stack.enter_context(running([haproxy(), "-db", "-f", str(members)], *to))
        client = stack.enter_context(server())
        proxies = [ours(client, to, secret)]
        proxies += [stack.enter_context(started(name, to, secret)) for name, path in PROGRAMS.items() if path]
        for load in LOADS:
            compare(proxies, load, rounds, min(seconds, MOST_HANDSHAKES) if LOADS[load][1] else seconds)


if __name__ == "__main__":
    main()
