"""Floods against the API, with an honest client beside them: `python benchmarks/abuse.py [SECONDS [NAME …]]`.

Each flood has a server of its own and runs in a process of its own, bounded in time. A line says how long an honest
client's requests took meanwhile (reads, writes and logins, each over a new connection from another address than the
flood's), how many of them failed, and the server's peak memory. The first line is without a flood. `abuse_queries.py`
has the floods of queries.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import re
import resource
import socket
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import abuse_queries
import yaml
from setting import Client, server, wait_for

DEADLINE = 10.0  # s after which an honest request counts as failed
PAUSE = 0.02  # s between honest requests
HONEST = "127.0.0.2"  # its address; floods come from 127.0.0.1


@dataclass(frozen=True)
class Target:
    """What an attacker knows: a port, and a token of an ordinary login for those who have one."""

    port: int
    token: str
    cloud: dict[str, Any]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 5)


Flood = Callable[[Target, float], None]  # flood(target, seconds)
LB = "/load-balancer/v2.0/lbaas/loadbalancers"
HEAD = f"POST {LB} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LOGIN = "POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def nothing(target: Target, seconds: float) -> None:
    time.sleep(seconds)


def unfinished_bodies(target: Target, seconds: float) -> None:
    """150 connections each send all but the end of a body of 4 MB."""
    _hold(target, seconds, 150, HEAD.encode() + b"Content-Length: 4194304\r\n\r\n" + b" " * 4_194_000)


def unfinished_bodies_with_a_token(target: Target, seconds: float) -> None:
    head = f"{HEAD}X-Auth-Token: {target.token}\r\nContent-Length: 4194304\r\n\r\n"
    _hold(target, seconds, 150, head.encode() + b" " * 4_194_000)


def unfinished_heads(target: Target, seconds: float) -> None:
    """1,000 connections each send 60 kB of headers and no empty line."""
    _hold(target, seconds, 1000, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 10_000)


def trickle(target: Target, seconds: float) -> None:
    """3,000 connections send a byte of a head now and then."""
    _hold(target, seconds, 3000, b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"y")


def pipeline(target: Target, seconds: float) -> None:
    """300 connections ask thousands of times without waiting for an answer."""
    _hold(target, seconds, 300, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 5000)


def json_bombs(target: Target, seconds: float) -> None:
    """16 bodies of 4 MB at a time with as many values as fit."""
    body = b"[" + b"[]," * 1_398_000 + b"[]]"
    head = LOGIN + f"Content-Length: {len(body)}\r\n\r\n"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _hold(target, 0.5, 16, head.encode() + body)


def json_bombs_with_a_token(target: Target, seconds: float) -> None:
    body = b"[" + b"[]," * 1_398_000 + b"[]]"
    head = f"{HEAD}X-Auth-Token: {target.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _hold(target, 0.5, 16, head.encode() + body)


def wrong_passwords(target: Target, seconds: float) -> None:
    """40 clients with passwords of 60 kB for one user."""
    _log_in(target, seconds, lambda number: target.cloud["auth"]["username"], "x" * 60_000)


def wrong_users(target: Target, seconds: float) -> None:
    """40 clients, each time with another user."""
    _log_in(target, seconds, lambda number: f"user{number}", "x" * 100)


FLOODS: dict[str, Flood] = {
    each.__name__: each
    for each in (
        nothing,
        unfinished_bodies,
        unfinished_bodies_with_a_token,
        unfinished_heads,
        trickle,
        pipeline,
        json_bombs,
        json_bombs_with_a_token,
        wrong_passwords,
        wrong_users,
    )
}
FLOODS |= abuse_queries.FLOODS


def _hold(target: Target, seconds: float, count: int, first: bytes, again: bytes = b"") -> None:
    """Keep `count` connections open that have sent `first` as far as it is read, and send `again` once a second."""
    deadline = time.monotonic() + seconds
    held: list[socket.socket | None] = [None] * count
    rest: list[bytes] = [b""] * count
    turn = time.monotonic()
    while time.monotonic() < deadline:
        is_turn = time.monotonic() >= turn
        for place in range(count):
            try:
                connection = held[place]
                if connection is None:
                    held[place] = connection = target.connect()
                    connection.setblocking(False)
                    rest[place] = first
                elif is_turn and not rest[place]:
                    rest[place] = again
                if rest[place]:
                    rest[place] = rest[place][connection.send(rest[place][:262_144]) :]
                elif not connection.recv(65536):
                    raise ConnectionError
            except BlockingIOError:
                pass
            except OSError:
                if connection is not None:
                    connection.close()
                held[place] = None
            if time.monotonic() > deadline:
                break
        turn = turn + 1 if is_turn else turn
        time.sleep(0.005)
    for each in held:
        if each is not None:
            each.close()


def _log_in(target: Target, seconds: float, name: Callable[[int], str], password: str) -> None:
    """40 clients ask for tokens, each again as soon as it has an answer."""
    deadline, number = time.monotonic() + seconds, 0
    held: dict[int, socket.socket] = {}
    while time.monotonic() < deadline:
        for place in range(40):
            if place not in held:
                number += 1
                body = json.dumps(login_body(name(number), password))
                head = LOGIN + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
                try:
                    held[place] = target.connect()
                    held[place].sendall((head + body).encode())
                    held[place].setblocking(False)
                except OSError:
                    held.pop(place, None)
                continue
            try:
                is_over = not held[place].recv(65536)
            except BlockingIOError:
                is_over = False
            except OSError:
                is_over = True
            if is_over:
                held.pop(place).close()
        time.sleep(0.002)


def login_body(name: str, password: str) -> dict[str, Any]:
    user = {"name": name, "password": password, "domain": {"id": "default"}}
    scope = {"project": {"name": name, "domain": {"id": "default"}}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}


@dataclass
class Honest:
    """A client that reads, writes and logs in, in turn, and how long each took."""

    target: Target
    loadbalancer: str
    took: dict[str, list[float]] = field(default_factory=lambda: {"read": [], "write": [], "login": []})
    failed: int = 0

    def work(self, seconds: float) -> None:
        auth = self.target.cloud["auth"]
        deadline, login = time.monotonic() + seconds, login_body(auth["username"], auth["password"])
        count = 0
        while time.monotonic() < deadline:
            count += 1
            self._ask("read", "GET", LB)
            self._ask("write", "PUT", f"{LB}/{self.loadbalancer}", {"loadbalancer": {"name": f"n{count}"}})
            if count % 5 == 1:
                self._ask("login", "POST", "/identity/v3/auth/tokens", login)
            time.sleep(PAUSE)

    def _ask(self, what: str, method: str, path: str, body: Any = None) -> None:
        start = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.target.port, DEADLINE, (HONEST, 0))
        headers = {"X-Auth-Token": self.target.token, "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            answer.read()
            self.failed += answer.status >= 400
        except (OSError, http.client.HTTPException):
            self.failed += 1
        finally:
            connection.close()
        self.took[what].append(time.perf_counter() - start)

    def line(self, name: str, memory: int) -> str:
        cells = [f"{figure(found, 50):8.0f}{figure(found, 99):8.0f}" for found in self.took.values()]
        return f"{name:<34}{''.join(cells)}{self.failed:>6} of {sum(map(len, self.took.values())):<5}{memory:>6} MB"


def figure(seconds: list[float], percentile: int) -> float:
    """In milliseconds."""
    if len(seconds) < 2:
        return (seconds or [0.0])[0] * 1000
    return statistics.quantiles(seconds, n=100, method="inclusive")[percentile - 1] * 1000


def measure(name: str, seconds: float) -> str:
    with server() as client:
        target = Target(client.connection.port, client.headers["X-Auth-Token"], _cloud(client))
        balancer = client.ask("POST", LB, {"loadbalancer": {"vip_subnet_id": _subnet(client)}})["loadbalancer"]["id"]
        wait_for(lambda: client.is_active(f"loadbalancers/{balancer}", "loadbalancer"))
        attacker = multiprocessing.get_context("fork").Process(target=FLOODS[name], args=(target, seconds + 2))
        attacker.start()
        time.sleep(1)  # the flood has to be there
        honest = Honest(target, balancer)
        honest.work(seconds)
        attacker.terminate()
        attacker.join()
        client.connection.close()
        return honest.line(name, peak_memory(client.pid))


def peak_memory(pid: int) -> int:
    """Megabytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) // 1024


def _cloud(client: Client) -> dict[str, Any]:
    cloud: dict[str, Any] = yaml.safe_load(client.clouds.read_text())["clouds"]["lbclient-admin"]
    return cloud


def _subnet(client: Client) -> str:
    [subnet] = client.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
    return str(subnet["id"])


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    names = sys.argv[2:] or list(FLOODS)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    columns = "".join(f"{what + ' p50':>8}{'p99':>8}" for what in ("read", "write", "login"))
    print(f"{'milliseconds':<34}{columns}{'failed':>14}{'peak':>9}")
    for name in names:
        print(measure(name, seconds), flush=True)


if __name__ == "__main__":
    main()
