"""Time the parts of a test: `benchmarks/double.py [--rounds 5] [settling throughput testing reset fixture start]`.

settling: a client that looks once and then sleeps a second creates and deletes eight objects with real traffic.
throughput: changes a second of eight clients, each of a member of its own load balancer, settling or not.
testing: requests a second, and processor time of the server for each request, with --testing and no fault beside
    servers without it, in short turns; two servers alike, with the same turns, show what the method can tell. Medians
    over fresh servers, with their standard error and the quartiles.
reset: milliseconds of a reset with 20 load balancers of the no-op provider.
fixture: milliseconds of the creation and removal of a project.
start: seconds until a server's first answer, beside a Python process that imports its modules.
Ratios are medians of paired rounds, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
from setting import DEADLINE, row

from lbclient.lab.programs import LBCLIENT
from lbclient.testing.cloud import Cloud
from lbclient.testing.server import Server

CLIENTS = 8
CHANGES = 40  # of each client in a round
REQUESTS = 300  # of a turn
TURNS = 3  # of each server
SERVERS = 3  # of each kind, in each round
SLEEP = 1.0  # seconds, as clients sleep that saw PENDING_*
LOADBALANCERS = 20


class Api:
    """A kept-alive connection as the user of a project."""

    def __init__(self, cloud: Cloud) -> None:
        self._connection = http.client.HTTPConnection(cloud.url.removeprefix("http://"), timeout=DEADLINE)
        self._headers = {"X-Auth-Token": cloud.token, "Content-Type": "application/json"}
        self._cloud = cloud

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body)
        self._connection.request(method, f"/v2.0/lbaas/{path}", content, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status == 409 and b"immutable" in text:
            return None
        if answer.status >= 400 and answer.status != 404:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text else None

    def create(self, kind: str, path: str, **values: Any) -> Any:
        return self.ask("POST", path, {kind: values})[kind]

    def loadbalancer(self, **values: Any) -> Any:
        return self.create("loadbalancer", "loadbalancers", vip_subnet_id=self._cloud.subnet["id"], **values)

    def status(self, id_: str) -> str:
        found = self.ask("GET", f"loadbalancers/{id_}")
        return str(found.get("loadbalancer", {}).get("provisioning_status", "DELETED"))


@contextmanager
def clouds(*options: str) -> Iterator[Cloud]:
    """A project on a server of its own."""
    server = Server.start(options)
    with tempfile.TemporaryDirectory() as directory:
        cloud = Cloud(server, Path(directory))
        try:
            yield cloud
        finally:
            cloud.close()
            server.stop()


def settled(api: Api, id_: str) -> None:
    """Look once, and sleep between further looks, as clients do."""
    while api.status(id_).startswith("PENDING_"):
        time.sleep(SLEEP)


def eight_objects(cloud: Cloud) -> float:
    """The seconds of creating eight objects and deleting them, each once the one before has settled."""
    api, begin = Api(cloud), time.monotonic()
    balancer = api.loadbalancer()["id"]
    settled(api, balancer)
    listener = api.create("listener", "listeners", loadbalancer_id=balancer, protocol="HTTP", protocol_port=8080)
    settled(api, balancer)
    pool = api.create("pool", "pools", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    settled(api, balancer)
    made = [f"listeners/{listener['id']}", f"pools/{pool['id']}"]
    for port in (9001, 9002):
        member = api.create("member", f"pools/{pool['id']}/members", address="127.0.0.1", protocol_port=port)
        made.append(f"pools/{pool['id']}/members/{member['id']}")
        settled(api, balancer)
    monitor = {"pool_id": pool["id"], "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 1}
    made.append(f"healthmonitors/{api.create('healthmonitor', 'healthmonitors', **monitor)['id']}")
    settled(api, balancer)
    policy = api.create("l7policy", "l7policies", listener_id=listener["id"], action="REJECT")["id"]
    made.append(f"l7policies/{policy}")
    settled(api, balancer)
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/api"}
    made.append(f"l7policies/{policy}/rules/{api.create('rule', f'l7policies/{policy}/rules', **rule)['id']}")
    settled(api, balancer)
    for path in reversed(made):
        api.ask("DELETE", path)
        settled(api, balancer)
    api.ask("DELETE", f"loadbalancers/{balancer}")
    while api.status(balancer) != "DELETED":
        time.sleep(SLEEP)
    return time.monotonic() - begin


def paired(what: str, rounds: int, one: Callable[[], float], other: Callable[[], float]) -> None:
    """Print the two medians, and the ratio of one to the other."""
    ones, others = [], []
    for number in range(rounds + 1):
        pair = (one(), other()) if number % 2 else (other(), one())[::-1]
        if number:  # the first round warms up
            ones.append(pair[0])
            others.append(pair[1])
    ratios = [a / b for a, b in zip(ones, others, strict=True)]
    print(
        f"{what:<46} {statistics.median(ones):8.2f} {statistics.median(others):8.2f}"
        f"   ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    )


def settling(rounds: int) -> None:
    with clouds() as yes, clouds("--settle-wait=0") as no:
        paired(
            "seconds of 8 objects, settling and not",
            min(rounds, 3),
            lambda: eight_objects(yes),
            lambda: eight_objects(no),
        )


def throughput(rounds: int) -> None:
    with clouds() as yes, clouds("--settle-wait=0") as no:
        works = [changes_of(cloud) for cloud in (yes, no)]
        paired("changes/s of 8 clients, settling and not", rounds, *works)


def changes_of(cloud: Cloud) -> Callable[[], float]:
    """Return what measures the changes a second of several clients."""
    targets = []
    for number in range(CLIENTS):
        api = Api(cloud)
        member = {"address": "127.0.0.1", "protocol_port": 9}
        pool = {"name": "p", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": [member]}
        listener = {"protocol": "TCP", "protocol_port": 8080 + number, "default_pool": pool}
        balancer = api.loadbalancer(listeners=[listener])
        while api.status(balancer["id"]) != "ACTIVE":
            time.sleep(0.05)
        pool_id = balancer["pools"][0]["id"]
        [one] = api.ask("GET", f"pools/{pool_id}/members")["members"]
        targets.append((api, f"pools/{pool_id}/members/{one['id']}"))

    def change(api: Api, path: str) -> None:
        for number in range(CHANGES):
            while api.ask("PUT", path, {"member": {"weight": number + 1}}) is None:
                pass  # it was busy for longer than the server waits

    def measure() -> float:
        threads = [threading.Thread(target=change, args=target) for target in targets]
        begin = time.monotonic()
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return CLIENTS * CHANGES / (time.monotonic() - begin)

    return measure


def testing(rounds: int) -> None:
    turns: list[list[tuple[float, float]]] = []
    for number in range(rounds * SERVERS):  # of servers alike, each has a pace of its own
        with ExitStack() as stack:
            works = [stack.enter_context(bare(*options)) for options in (["--testing"], [], [])]
            for work in works:
                work()  # the first requests warm up
            took = [works[(number + turn) % 3]() for turn in range(3 * TURNS)]
        parts = [took[(which - number) % 3 :: 3] for which in range(3)]
        turns.append([(statistics.median(e[0] for e in each), statistics.median(e[1] for e in each)) for each in parts])
    for what, one in (("with --testing beside without", 0), ("two without", 2)):
        for position, unit in enumerate(("time", "processor time")):
            ratios = [turn[one][position] / turn[1][position] for turn in turns]
            low, middle, high = statistics.quantiles(ratios, n=4)
            error = 1.253 * statistics.stdev(ratios) / len(ratios) ** 0.5  # of a median
            each = statistics.median(turn[one][position] for turn in turns) / REQUESTS * 1e6
            spread = f"ratio {middle:.4f} +- {error:.4f} ({low:.3f} to {high:.3f})"
            print(f"us of a GET, {unit}, {what}: {each:6.0f}   {spread}")


@contextmanager
def bare(*options: str) -> Iterator[Callable[[], tuple[float, float]]]:
    """Start a server without logins; yield what returns the seconds and its processor time of REQUESTS requests."""
    command = [sys.executable, "-c", LBCLIENT, "server", "--ephemeral", "--auth=noauth", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        host = process.stdout.readline().split()[-1].removeprefix("http://")
        yield gets_of(host, youngest(process.pid))  # an ephemeral server has guards above it
    finally:
        process.terminate()
        process.wait(DEADLINE)


def youngest(pid: int) -> int:
    """Return the last of a line of processes in which each has at most one child."""
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pid = int(children[-1])
    return pid


def gets_of(host: str, pid: int) -> Callable[[], tuple[float, float]]:
    connection = http.client.HTTPConnection(host, timeout=DEADLINE)
    headers = {"X-Project-Id": "a" * 32, "X-Roles": "member"}
    clock = (~pid << 3) | 2  # what clock_getcpuclockid returns on Linux; in nanoseconds, where /proc/PID/stat has ticks

    def measure() -> tuple[float, float]:
        begin, spent = time.monotonic(), time.clock_gettime(clock)
        for _ in range(REQUESTS):
            connection.request("GET", "/v2.0/lbaas/loadbalancers", headers=headers)
            connection.getresponse().read()
        return time.monotonic() - begin, time.clock_gettime(clock) - spent

    return measure


def reset(rounds: int) -> None:
    with clouds("--default-provider=noop_driver") as cloud:
        seconds = []
        for _ in range(rounds * 4):
            made = Cloud(cloud.server, Path(tempfile.gettempdir()))
            api = Api(made)
            for _ in range(LOADBALANCERS):
                api.loadbalancer()
            begin = time.monotonic()
            cloud.server.testing.reset()
            seconds.append(time.monotonic() - begin)
        print(row(f"ms of a reset of {LOADBALANCERS} no-op load balancers (median, p90, worst)", seconds))


def fixture(rounds: int) -> None:
    with clouds("--default-provider=noop_driver") as cloud:
        seconds = []
        for _ in range(rounds * 10):
            begin = time.monotonic()
            Cloud(cloud.server, Path(tempfile.gettempdir())).close()
            seconds.append(time.monotonic() - begin)
        print(row("ms of a project of its own, made and removed", seconds))


def start(rounds: int) -> None:
    def first_answer() -> float:
        command = [sys.executable, "-m", "lbclient.server.main", "--demo", "--bind-port=0"]
        with tempfile.TemporaryDirectory() as directory:
            begin = time.monotonic()
            process = subprocess.Popen(
                [*command, f"--state-directory={directory}"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            requests.get(f"{url}/healthcheck", timeout=DEADLINE).raise_for_status()
            took = time.monotonic() - begin
            process.terminate()
            process.wait(DEADLINE)
        return took

    def imports() -> float:
        begin = time.monotonic()
        subprocess.run([sys.executable, "-c", "import lbclient.server.main"], check=True)
        return time.monotonic() - begin

    paired("seconds to the first answer, and of imports", rounds * 2, first_answer, imports)


def main() -> None:
    works = (settling, throughput, testing, reset, fixture, start)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[[], *(each.__name__ for each in works)])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for each in works:
        if not given.what or each.__name__ in given.what:
            each(given.rounds)


if __name__ == "__main__":
    main()
