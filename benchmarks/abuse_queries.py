"""Floods of queries, by a tenant with a token: part of `python benchmarks/abuse.py`."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests

CLIENTS = 8
LB, NETWORKS = "/load-balancer/v2.0/lbaas/loadbalancers", "/networking/v2.0/networks"
COLUMNS = ("name", "id", "project_id", "provider", "created_at", "vip_address", "operating_status", "description")
SETS = "[!-\uffff]" * 40


def sort_keys(target: Any, seconds: float) -> None:
    """One sort key 600 times, behind a marker."""
    known = requests.get(target.url + LB, headers={"X-Auth-Token": target.token}, timeout=60).json()["loadbalancers"]
    query = f"?sort_key={','.join(['name'] * 600)}&marker={known[0]['id']}"
    _ask(target, seconds, lambda number: ("GET", LB + query, None))


def tags(target: Any, seconds: float) -> None:
    """5,000 tags in one filter."""
    wanted = ",".join(map(str, range(5000)))
    _ask(target, seconds, lambda number: ("GET", f"{(LB, NETWORKS)[number % 2]}?not-tags={wanted}", None))


def odd_shapes(target: Any, seconds: float) -> None:
    """As much as is allowed, each time in another order and with another number of tags."""
    chance = random.Random(1)

    def odd(number: int) -> tuple[str, str, Any]:
        keys = ",".join(chance.sample(COLUMNS, len(COLUMNS)))
        wanted = ",".join(map(str, range(chance.randint(1, 50))))
        return "GET", f"{LB}?sort_key={keys}&not-tags={wanted}&not-tags-any={wanted}", None

    _ask(target, seconds, odd)


def arguments(target: Any, seconds: float) -> None:
    """20,000 arguments."""
    query = "&".join(f"fields={number}" for number in range(20_000))
    _ask(target, seconds, lambda number: ("GET", f"{(LB, NETWORKS)[number % 2]}?{query}", None))


def expressions(target: Any, seconds: float) -> None:
    """Regular expressions that take long to compile."""
    rule = {"type": "PATH", "compare_type": "REGEX", "value": f"(?i){SETS}"[:255]}
    policy = {"action": "REJECT", "rules": [rule] * 50}
    listener = {"protocol": "HTTP", "protocol_port": 80, "l7policies": [policy]}
    body = {"loadbalancer": {"vip_network_id": "x", "listeners": [listener]}}
    _ask(target, seconds, lambda number: ("POST", LB, body))


FLOODS: dict[str, Callable[[Any, float], None]] = {
    each.__name__: each for each in (sort_keys, tags, odd_shapes, arguments, expressions)
}


def _ask(target: Any, seconds: float, request: Callable[[int], tuple[str, str, Any]]) -> None:
    """A few clients, each of which asks again as soon as it has an answer."""
    deadline = time.monotonic() + seconds
    numbers: Iterator[int] = itertools.count()

    def work() -> None:
        with requests.Session() as session:
            session.headers["X-Auth-Token"] = target.token
            while time.monotonic() < deadline:
                method, path, body = request(next(numbers))
                try:
                    session.request(method, target.url + path, json=body, timeout=60)
                except requests.RequestException:
                    time.sleep(0.1)

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
