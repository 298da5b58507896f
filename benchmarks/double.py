"""Time the parts of a test: `benchmarks/double.py [--rounds 5] [settling throughput testing reset fixture start]`.

settling: a client that looks once and then sleeps a second creates and deletes eight objects with real traffic.
throughput: changes a second of eight clients, each of a member of its own load balancer, settling or not.
testing: processor time of a server for each request, with --testing and no fault beside without it, in one process, so
    that no difference between two servers is measured; without beside without shows what the method can tell. Medians
    of paired blocks, with 95 % confidence intervals.
reset: milliseconds of a reset with 20 load balancers of the no-op provider.
fixture: milliseconds of the creation and removal of a project.
start: seconds until a server's first answer, beside a Python process that imports its modules.
Ratios are medians of paired rounds, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from setting import DEADLINE, row

from lbclient.testing.cloud import Cloud
from lbclient.testing.server import Server

CLIENTS = 8
CHANGES = 40  # of each client in a round
BLOCK = 10  # requests whose processor time is read together
BLOCKS = 300  # pairs of them, in each round
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
    """Print the processor time that the testing API adds to each kind of request, with 95 % confidence intervals."""
    with switched() as asked:
        for kind, ask in asked.items():
            pairs: dict[str, list[float]] = {"with": [], "plain": [], "again": []}
            for number in range(rounds * BLOCKS + 1):
                order = random.sample(list(pairs), len(pairs))
                took = {which: ask(which != "with") for which in order}
                if number:  # the first ones warm up
                    for which, seconds in took.items():
                        pairs[which].append(seconds)
            usual = statistics.median(pairs["plain"])
            for what, which in (("with --testing beside without", "with"), ("without beside without", "again")):
                changes = [(one - other) / usual for one, other in zip(pairs[which], pairs["plain"], strict=True)]
                low, high = median_interval(changes)
                print(
                    f"{kind:<9} {usual / BLOCK * 1e6:6.0f} us of the server's processor time; {what:<29} "
                    f"{statistics.median(changes):+.2%} ({low:+.2%} to {high:+.2%})",
                    flush=True,
                )


def median_interval(values: list[float]) -> tuple[float, float]:
    """Return a 95 % confidence interval of the median, from the ranks of the values."""
    ordered, spread = sorted(values), 0.98 * len(values) ** 0.5
    return ordered[max(0, int(len(values) / 2 - spread))], ordered[min(len(values) - 1, int(len(values) / 2 + spread))]


@contextmanager
def switched() -> Iterator[dict[str, Callable[[bool], float]]]:
    """Start a server whose requests pass through the testing API or, with the header "X-Way: plain", do not.

    Yields functions by the kind of request: each sends BLOCK requests, and returns the server's processor time in
    seconds.
    """
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, str(Path(__file__).with_name("switched.py")), "--testing", "--auth=noauth"]
        options = ["--network=noop", "--default-provider=noop_driver", "--bind-port=0"]
        process = subprocess.Popen(
            [*command, *options, f"--state-directory={directory}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            host = process.stdout.readline().split()[-1].removeprefix("http://")
            yield requests_of(host, process.pid)
        finally:
            process.terminate()
            process.wait(DEADLINE)


def requests_of(host: str, pid: int) -> dict[str, Callable[[bool], float]]:
    connection = http.client.HTTPConnection(host, timeout=DEADLINE)
    headers = {"X-Project-Id": "a" * 32, "X-Roles": "member", "Content-Type": "application/json"}
    clock = (~pid << 3) | 2  # what clock_getcpuclockid returns on Linux; in nanoseconds, where /proc/PID/stat has ticks
    at = "/v2.0/lbaas/loadbalancers"

    def ask(method: str, path: str, body: Any = None, is_plain: bool = True) -> Any:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {**headers, "X-Way": "plain" if is_plain else "tests"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)

    subnet_id = "5e2e5ff4-8cdd-4b5a-8f5a-8f5b3d9b2d5a"
    made = [ask("POST", at, {"loadbalancer": {"vip_subnet_id": subnet_id, "name": f"lb{n}"}}) for n in range(10)]
    one = f"{at}/{made[0]['loadbalancer']['id']}"

    def block(method: str, path: str, body: Any = None) -> Callable[[bool], float]:
        def measure(is_plain: bool) -> float:
            spent = time.clock_gettime(clock)
            for _ in range(BLOCK):
                ask(method, path, body, is_plain)
            return time.clock_gettime(clock) - spent

        return measure

    return {
        "show": block("GET", one),
        "list": block("GET", at),
        "update": block("PUT", one, {"loadbalancer": {"name": "another"}}),
    }


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
