"""Small requests beside large ones: `python benchmarks/small_requests.py [--seconds 10]`.

Eight clients of one project list, page through, export and write load balancers with 5,000 members, as fast as they are
answered. Beside them one client of another project shows its load balancer, and one changes a weight in a pool of ten.
Told are the medians and the 99th percentiles of these, alone and beside each kind of the others. Nothing runs for the
load balancers (noop_driver): it is the API's own part.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from octavia import LBAAS, PROJECT, SUBNET, Api, Connection, ours

NEIGHBOUR = "b" * 32
PAUSE = 0.002  # s between two requests of a neighbour
CLIENTS = 8
ID = re.compile(rb'"id": ?"([0-9a-f-]{36})"')

Work = Callable[[Connection], object]


def ask(connection: Connection, method: str, path: str, body: object = None) -> dict[str, object]:
    """The JSON of an answer. Raises RuntimeError for errors."""
    status, answer = connection.ask(method, LBAAS + path, body)
    if status >= 400:
        raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
    found: dict[str, object] = json.loads(answer) if answer else {}
    return found


def tree(size: int, project: str) -> dict[str, object]:
    members = [{"address": f"10.1.{n >> 8}.{n & 255}", "protocol_port": 80} for n in range(size)]
    pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
    return {"loadbalancer": {"vip_subnet_id": SUBNET, "project_id": project, "listeners": [listener]}}


def made(api: Api, size: int, project: str) -> tuple[str, str, str]:
    """A load balancer, its pool and one of its members, by ID."""
    connection = Connection(api.port)
    answer = ask(connection, "POST", "/loadbalancers", tree(size, project))["loadbalancer"]
    assert isinstance(answer, dict)
    pool = answer["pools"][0]["id"]
    members = ask(connection, "GET", f"/pools/{pool}/members?limit=1")["members"]
    assert isinstance(members, list)
    return answer["id"], pool, members[0]["id"]


def hogs(balancer: str, pool: str, size: int) -> dict[str, Work]:
    """What one client does again and again, by what it is called. Answers are not parsed: the server is measured."""
    body = tree(size, PROJECT)

    def send(connection: Connection, method: str, path: str, body: object = None) -> bytes:
        status, answer = connection.ask(method, LBAAS + path, body)
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
        return answer

    def list_(connection: Connection) -> None:
        send(connection, "GET", f"/pools/{pool}/members")

    def page(connection: Connection) -> None:
        marker = ""
        while ids := ID.findall(send(connection, "GET", f"/pools/{pool}/members?limit=200&fields=id{marker}")):
            marker = f"&marker={ids[-1].decode()}"

    def export(connection: Connection) -> None:
        for path in (f"/loadbalancers/{balancer}/status", "/listeners", "/pools", f"/pools/{pool}/members"):
            send(connection, "GET", path)

    def write(connection: Connection) -> None:
        made = ID.search(send(connection, "POST", "/loadbalancers", body))
        assert made is not None
        send(connection, "DELETE", f"/loadbalancers/{made[1].decode()}?cascade=true")

    return {"list": list_, "page": page, "export": export, "write": write}


def beside(api: Api, others: list[Work], small: Work, seconds: float) -> list[float]:
    """The seconds of each small request while the others are at work, in processes of their own."""
    context = multiprocessing.get_context("fork")
    is_over = context.Event()
    processes = [context.Process(target=_repeat, args=(api.port, each, is_over)) for each in others]
    for process in processes:
        process.start()
    time.sleep(0.5 if others else 0)
    found = list(_timed(Connection(api.port), small, seconds))
    is_over.set()
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError("a client failed")
    return found


def _repeat(port: int, work: Work, is_over: Any) -> None:
    connection = Connection(port)
    while not is_over.is_set():
        work(connection)


def _timed(connection: Connection, small: Work, seconds: float) -> Iterator[float]:
    small(connection)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        small(connection)
        yield time.perf_counter() - start
        time.sleep(PAUSE)


def row(what: str, found: list[float]) -> str:
    found += found[:1] * (len(found) < 2)
    cuts = statistics.quantiles(found, n=100)
    return f"{what:<42}{len(found):>8}{cuts[49] * 1000:>9.1f}{cuts[98] * 1000:>9.1f}{max(found) * 1000:>9.1f}"


def main(seconds: float, size: int, only: list[str]) -> None:
    with ours() as api:
        balancer, pool, _ = made(api, size, PROJECT)
        own, own_pool, own_member = made(api, 10, NEIGHBOUR)
        weights = itertools.cycle(range(1, 200))
        path = f"/pools/{own_pool}/members/{own_member}"
        small: dict[str, Work] = {
            "GET": lambda connection: ask(connection, "GET", f"/loadbalancers/{own}"),
            "weight": lambda connection: ask(connection, "PUT", path, {"member": {"weight": next(weights)}}),
        }
        kinds = hogs(balancer, pool, size)
        mixed = [each for each, _ in zip(itertools.cycle(kinds.values()), range(CLIENTS), strict=False)]
        print(f"{'milliseconds':<42}{'requests':>8}{'median':>9}{'p99':>9}{'worst':>9}")
        for name, one in ((name, one) for name, one in small.items() if name in only):
            print(row(f"{name}, alone", beside(api, [], one, seconds)), flush=True)
            for what, each in kinds.items():
                found = beside(api, [each] * CLIENTS, one, seconds)
                print(row(f"{name}, beside {CLIENTS} that {what}", found), flush=True)
            print(row(f"{name}, beside {CLIENTS}, two of each", beside(api, mixed, one, seconds)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="for each row (10)")
    parser.add_argument("--size", type=int, default=5000, help="members of the large load balancers (5000)")
    parser.add_argument("--only", nargs="*", default=["GET", "weight"], help="which small requests (GET weight)")
    arguments = parser.parse_args()
    main(arguments.seconds, arguments.size, arguments.only)
