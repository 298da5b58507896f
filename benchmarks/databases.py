"""PostgreSQL beside SQLite: `python benchmarks/databases.py URL [ROUNDS]`, with the URL of an empty database.

Two servers without a data plane, one on each, are measured in turns: what one client and eight clients read and create
in a second, and how long a batch of 1,000 members takes to create, change and delete. Told are the medians, and of the
ratios of one round, PostgreSQL's to SQLite's, the median with the lowest and the highest.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import servers
from octavia import LBAAS, PROJECT, SUBNET, Connection

SECONDS = 2.0
MEMBERS = 1000
PLACE = {"vip_subnet_id": SUBNET, "project_id": PROJECT}
POOL = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}

Measured = dict[str, float]


def ask(connection: Connection, method: str, path: str, body: object = None) -> bytes:
    """The body of an answer. Raises RuntimeError for errors."""
    status, answer = connection.ask(method, LBAAS + path, body)
    if status >= 400:
        raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
    return answer


def made(connection: Connection, path: str, key: str, **values: object) -> str:
    return str(json.loads(ask(connection, "POST", path, {key: values}))[key]["id"])


def a_second(port: int, clients: int, work: Callable[[Connection], object]) -> float:
    """How often so many clients together get their work done in a second."""
    counts = [0] * clients
    deadline = time.monotonic() + SECONDS

    def repeat(number: int) -> None:
        connection = Connection(port)
        while time.monotonic() < deadline:
            work(connection)
            counts[number] += 1

    threads = [threading.Thread(target=repeat, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def batches(connection: Connection, pool: str) -> Measured:
    members = [{"address": f"10.1.{n >> 8}.{n & 255}", "protocol_port": 80} for n in range(MEMBERS)]
    found = {}
    for name, wanted in (("create", members), ("change", [{**each, "weight": 7} for each in members]), ("delete", [])):
        start = time.perf_counter()
        ask(connection, "PUT", f"/pools/{pool}/members", {"members": wanted})
        found[f"{name} {MEMBERS} members, ms"] = (time.perf_counter() - start) * 1000
    return found


def measure(port: int, balancer: str, pool: str) -> Measured:
    found: Measured = {}
    works: Mapping[str, Callable[[Connection], object]] = {
        "get one": lambda connection: ask(connection, "GET", f"/loadbalancers/{balancer}"),
        "create": lambda connection: made(connection, "/loadbalancers", "loadbalancer", **PLACE),
    }
    for name, work in works.items():
        for clients in (1, 8):
            found[f"{name}, {clients} clients, /s"] = a_second(port, clients, work)
    return found | batches(Connection(port), pool)


def main(url: str, rounds: int) -> None:
    options = {"SQLite": (), "PostgreSQL": (f"--database={url}",)}
    found: dict[str, list[Measured]] = {name: [] for name in options}
    with ExitStack() as stack:
        places = {}
        for name, more in options.items():
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lbclient-benchmark-")))
            port = stack.enter_context(servers.ours(directory, *more)).port
            connection = Connection(port)
            balancer = made(connection, "/loadbalancers", "loadbalancer", **PLACE)
            places[name] = port, balancer, made(connection, "/pools", "pool", loadbalancer_id=balancer, **POOL)
        for number in range(rounds + 1):  # the first one warms up
            for name, place in places.items():
                measured = measure(*place)
                if number:
                    found[name].append(measured)
    print(f"{'':32}{'SQLite':>10}{'PostgreSQL':>12}   ratio")
    for what in found["SQLite"][0]:
        both = [[each[what] for each in found[name]] for name in options]
        ratios = [other / one for one, other in zip(*both, strict=True)]
        cells = "".join(f"{statistics.median(each):>{width}.0f}" for each, width in zip(both, (10, 12), strict=True))
        print(f"{what:32}{cells}{statistics.median(ratios):8.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5)
