"""The API beside Octavia's own, in one run: `python benchmarks/octavia.py OCTAVIA_PYTHON`.

OCTAVIA_PYTHON is the Python of an environment with octavia, gunicorn and PyMySQL; mariadbd has to be installed. Octavia
runs with its no-op drivers, MariaDB and two gunicorn workers; this server with the same modes, on SQLite. Both answer
without authentication. Every row is measured on one, then on the other, with 1 and with 8 clients.
"""

from __future__ import annotations

import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import servers

PROJECT = "a" * 32
SUBNET = "11111111-1111-4111-8111-111111111111"
LBAAS = "/v2.0/lbaas"
FILLED = 1000  # load balancers for the lists


@dataclass
class Api:
    """A server to be measured."""

    name: str
    port: int
    processes: Callable[[], list[int]]
    settle: Callable[[], None]


class Connection:
    """Requests as bytes, over a connection that the server may keep: the generator has to be light."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        text = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text
        try:
            return self._send(request)
        except ConnectionError:  # a kept connection that the server has closed meanwhile
            self._socket = None
            return self._send(request)

    def _send(self, request: bytes) -> tuple[int, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        words = head.decode("latin-1").lower()
        length = int(words.partition("content-length:")[2].split("\r\n")[0] or 0)  # 204 has none
        pieces, got = [body], len(body)
        while got < length:
            pieces.append(self._receive())
            got += len(pieces[-1])
        if "connection: close" in words:
            self._socket.close()
            self._socket = None
        return int(words.split()[1]), b"".join(pieces)

    def _receive(self) -> bytes:
        assert self._socket is not None
        piece = self._socket.recv(1 << 20)
        if not piece:
            raise ConnectionError("closed")
        return piece


Call = tuple[str, str, Any]  # method, path, body


def run(api: Api, calls: Sequence[Call], clients: int) -> tuple[float, list[float]]:
    """Requests per second, and the seconds of each. Raises RuntimeError for errors."""
    left = iter(calls)
    lock = threading.Lock()
    seconds: list[float] = []
    wrong: list[str] = []

    def work() -> None:
        connection = Connection(api.port)
        while not wrong:
            with lock:
                call = next(left, None)
            if call is None:
                return
            start = time.perf_counter()
            status, answer = connection.ask(*call)
            seconds.append(time.perf_counter() - start)
            if status >= 400:
                wrong.append(f"{api.name}: {call[0]} {call[1]}: {status} {answer[:300]!r}")

    threads = [threading.Thread(target=work) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise RuntimeError(wrong[0])
    return len(calls) / (time.perf_counter() - start), seconds


def ids(api: Api, collection: str, limit: int) -> list[str]:
    _, answer = Connection(api.port).ask("GET", f"{LBAAS}/{collection}?limit={limit}&fields=id")
    return [each["id"] for each in json.loads(answer)[collection]]


def loadbalancers(count: int) -> list[Call]:
    body = {"loadbalancer": {"vip_subnet_id": SUBNET, "project_id": PROJECT, "name": "lb"}}
    return [("POST", f"{LBAAS}/loadbalancers", body)] * count


def listeners(balancers: Sequence[str]) -> list[Call]:
    values = {"protocol": "HTTP", "protocol_port": 80}
    return [("POST", f"{LBAAS}/listeners", {"listener": {**values, "loadbalancer_id": id_}}) for id_ in balancers]


def member_updates(api: Api, balancers: Sequence[str]) -> list[Call]:
    """Updates of a member of each balancer, which is made for it."""
    values = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    run(api, [("POST", f"{LBAAS}/pools", {"pool": {**values, "loadbalancer_id": id_}}) for id_ in balancers], 4)
    api.settle()
    _, answer = Connection(api.port).ask("GET", f"{LBAAS}/pools")
    mine = set(balancers)
    pools = [each["id"] for each in json.loads(answer)["pools"] if each["loadbalancers"][0]["id"] in mine]
    body = {"member": {"address": "10.0.0.4", "protocol_port": 80}}
    run(api, [("POST", f"{LBAAS}/pools/{pool}/members", body) for pool in pools], 4)
    api.settle()
    paths = []
    for pool in pools:
        _, answer = Connection(api.port).ask("GET", f"{LBAAS}/pools/{pool}/members?fields=id")
        paths.append(f"{LBAAS}/pools/{pool}/members/{json.loads(answer)['members'][0]['id']}")
    return [("PUT", path, {"member": {"weight": 7}}) for path in paths]


Row = tuple[str, int, float, float]  # what, clients, requests per second, median in milliseconds


def measure(api: Api) -> Iterator[Row]:
    def measured(what: str, calls: Sequence[Call], clients: int) -> Row:
        rate, seconds = run(api, calls, clients)
        return what, clients, rate, statistics.median(seconds) * 1000

    run(api, loadbalancers(4), 2)  # warm
    yield measured("create load balancer", loadbalancers(60), 1)
    yield measured("create load balancer", loadbalancers(160), 8)
    run(api, loadbalancers(FILLED - 224), 4)
    api.settle()
    known = ids(api, "loadbalancers", 440)
    yield measured("create listener", listeners(known[:60]), 1)
    yield measured("create listener", listeners(known[60:220]), 8)
    api.settle()
    yield measured("update member", member_updates(api, known[220:280]), 1)
    yield measured("update member", member_updates(api, known[280:440]), 8)
    api.settle()
    single = [("GET", f"{LBAAS}/loadbalancers/{id_}", None) for id_ in known]
    yield measured("get one", single[:150], 1)
    yield measured("get one", single[:400], 8)
    for what, limit, few, many in (("list of 100", 100, 30, 80), ("list of 1,000", 1000, 6, 16)):
        calls = [("GET", f"{LBAAS}/loadbalancers?limit={limit}", None)]
        yield measured(what, calls * few, 1)
        yield measured(what, calls * many, 8)


def memory(processes: Sequence[int]) -> float:
    """Their memory in MB, what they share counted once."""
    total = 0
    for pid in processes:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(each) for each in found)]


@contextmanager
def octavia(python: str) -> Iterator[Api]:
    with _directory() as directory, servers.theirs(python, directory, workers=2) as started:
        time.sleep(3)  # the second worker
        yield Api("Octavia", started.port, lambda: children(started.pid), started.settle)


@contextmanager
def ours() -> Iterator[Api]:
    with _directory() as directory, servers.ours(directory) as started:
        yield Api("lbclient", started.port, lambda: [started.pid], started.settle)


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lbclient-benchmark-") as name:
        yield Path(name)


def main(python: str) -> None:
    with octavia(python) as theirs, ours() as mine:
        at_start = memory(theirs.processes()), memory(mine.processes())
        print(f"{'':<24}{'clients':>8}{'Octavia':>16}{'lbclient':>18}{'times':>8}{'latency':>9}")
        for (what, clients, rate, median), (_, _, our_rate, our_median) in zip(
            measure(theirs), measure(mine), strict=True
        ):
            print(
                f"{what:<24}{clients:>8}{rate:>8.1f}/s{median:>6.0f} ms{our_rate:>8.0f}/s{our_median:>6.1f} ms"
                f"{our_rate / rate:>8.1f}{our_median / median:>9.3f}",
                flush=True,
            )
        print(f"memory at start: {at_start[0]:.0f} and {at_start[1]:.0f} MB; ", end="")
        print(f"afterwards {memory(theirs.processes()):.0f} and {memory(mine.processes()):.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
