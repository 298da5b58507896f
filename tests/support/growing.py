"""The work of operations as their objects grow: counted steps, which do not depend on other load."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import falcon.testing
import sqlalchemy as sa

from applications import client
from fake_dataplane import FakeDataPlane
from lbclient.dashboard.application import Mounted
from lbclient.dashboard.security import LOGIN_COOKIE, SESSION_COOKIE
from lbclient.dashboard.visit import Options
from lbclient.dataplane.config.render import render
from lbclient.dataplane.haproxy import runtime
from lbclient.dataplane.relay.exposition import exposition
from lbclient.dataplane.statuses import statuses
from lbclient.server.access.enforcer import Enforcer
from lbclient.server.config import Config
from lbclient.server.services import Services
from lbclient.store.snapshot import Snapshot
from lbclient.store.store import Store

LBAAS = "/v2.0/lbaas"
PLACE = {"vip_subnet_id": "11111111-1111-4111-8111-111111111111", "project_id": "a" * 32}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EACH = 10  # instructions of SQLite between two counts
POOL = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}


@dataclass
class Steps:
    """Counted steps: calls of Python functions, and SQLite instructions in units of EACH."""

    calls: int = 0
    instructions: int = 0
    seconds: float = 0.0  # of processor time, while nothing was counted

    @property
    def total(self) -> int:
        return self.calls + self.instructions


class Growing:
    """An API in this process for load balancers that nothing runs for, in an SQLite database."""

    def __init__(self, directory: Path) -> None:
        config = Config(state_directory=directory, auth="noauth", network="noop", default_provider="noop_driver")
        self.store = Store(f"sqlite:///{directory}/state.db")
        self.store.migrate()
        tokens: Any = SimpleNamespace()  # no request needs one
        self._client = client(Services(self.store, tokens, config, FakeDataPlane(), Enforcer(None)))
        self._pages = falcon.testing.TestClient(Mounted(self._client.app, Options(is_noauth=True)))
        self._steps = Steps()
        sa.event.listen(self.store.engine, "connect", self._watch)
        self.store.engine.dispose()

    def close(self) -> None:
        self.store.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Project-Id": PLACE["project_id"], "X-Roles": "admin", "Content-Type": "application/json"}
        path, _, query = path.partition("?")
        content = None if body is None else json.dumps(body)
        answer = self._client.simulate_request(method, LBAAS + path, query_string=query, body=content, headers=headers)
        assert answer.status_code < 300, (method, path, answer.text)
        return answer.json if answer.content else None

    @cached_property
    def _session(self) -> dict[str, str]:
        """The cookie of a session of the dashboard, which belongs to the project."""
        form = {"secret": "x", "name": "admin", "project": PLACE["project_id"]}
        cookies = {LOGIN_COOKIE: "x"}
        answer = self._pages.simulate_post("/dashboard/login", body=urlencode(form), headers=FORM, cookies=cookies)
        return {SESSION_COOKIE: answer.cookies[SESSION_COOKIE].value}

    def look(self, path: str) -> str:
        """Return a page of the dashboard."""
        answer = self._pages.simulate_get(f"/dashboard{path}", cookies=self._session)
        assert answer.status_code == 200, (path, answer.text)
        return str(answer.text)

    def create(self, kind: str, path: str, **values: Any) -> str:
        found: str = self.ask("POST", path, {kind: values})[kind]["id"]
        return found

    def _watch(self, connection: Any, record: Any) -> None:
        connection.set_progress_handler(self._tick, EACH)

    def _tick(self) -> int:
        self._steps.instructions += 1
        return 0

    @contextmanager
    def counted(self) -> Iterator[Steps]:
        """Counts what is done inside."""
        self._steps = steps = Steps()

        def profile(frame: Any, event: str, argument: Any) -> None:
            if event in ("call", "c_call"):
                steps.calls += 1

        sys.setprofile(profile)
        try:
            yield steps
        finally:
            sys.setprofile(None)
            self._steps = Steps()

    def cost(self, operation: Callable[[], object]) -> Steps:
        """Return the steps of an operation when it is repeated, with its statements compiled."""
        operation()
        begin = time.process_time()
        operation()
        seconds = time.process_time() - begin
        with self.counted() as steps:
            operation()
        steps.seconds = seconds
        return steps


# Each makes a load balancer with n children of a kind, and returns its ID and the path of one child.


def listeners(api: Growing, count: int) -> tuple[str, str]:
    made = [{"protocol": "HTTP", "protocol_port": 1000 + n, "name": f"l{n}"} for n in range(count)]
    return _of_tree(api, "listeners", {"listeners": made})


def pools(api: Growing, count: int) -> tuple[str, str]:
    """Each used by a policy of one listener, as by name-based switching."""
    made = [{**POOL, "name": f"p{n}"} for n in range(count)]
    policies = [
        {
            "action": "REDIRECT_TO_POOL",
            "redirect_pool": {"name": f"p{n}"},
            "rules": [{"type": "HOST_NAME", "compare_type": "EQUAL_TO", "value": f"h{n}"}],
        }
        for n in range(count)
    ]
    listener = {"protocol": "HTTP", "protocol_port": 80, "l7policies": policies}
    return _of_tree(api, "pools", {"listeners": [listener], "pools": made})


def switching(api: Growing, count: int) -> tuple[str, str]:
    """Listeners that each have a default pool of their own and a policy that leads to another's."""
    rule = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}
    made = [
        {
            "protocol": "HTTP",
            "protocol_port": 1000 + n,
            "default_pool": {**POOL, "name": f"p{n}"},
            "l7policies": [{"action": "REDIRECT_TO_POOL", "redirect_pool": {**POOL, "name": f"q{n}"}, "rules": [rule]}],
        }
        for n in range(count)
    ]
    return _of_tree(api, "pools", {"listeners": made})


def members(api: Growing, count: int) -> tuple[str, str]:
    made = [{"address": f"10.1.{n >> 8}.{n & 255}", "protocol_port": 80, "name": f"m{n}"} for n in range(count)]
    monitor = {"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2}
    pool = {**POOL, "name": "pool", "members": made, "healthmonitor": monitor}
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
    id_, pool_path = _of_tree(api, "pools", {"listeners": [listener]})
    [first, *_] = api.ask("GET", f"{pool_path}/members")["members"]
    return id_, f"{pool_path}/members/{first['id']}"


def l7policies(api: Growing, count: int) -> tuple[str, str]:
    made = [{"action": "REJECT", "name": f"y{n}"} for n in range(count)]
    listener = {"protocol": "HTTP", "protocol_port": 80, "l7policies": made}
    return _of_tree(api, "l7policies", {"listeners": [listener]})


def _of_tree(api: Growing, collection: str, parts: dict[str, Any]) -> tuple[str, str]:
    id_ = api.create("loadbalancer", "/loadbalancers", **PLACE, **parts)
    [first] = api.ask("GET", f"/{collection}?limit=1")[collection]
    return id_, f"/{collection}/{first['id']}"


def loadbalancers(api: Growing, count: int) -> tuple[str, str]:
    ids = [api.create("loadbalancer", "/loadbalancers", **PLACE, name=f"lb{n}") for n in range(count)]
    return ids[0], f"/loadbalancers/{ids[0]}"


KINDS = {each.__name__: each for each in (loadbalancers, listeners, pools, switching, members, l7policies)}


# What a child of each kind is made of, and where: (path, key, attributes) of a load balancer's ID, a child, a number.
NEW: dict[str, Callable[[str, str, int], tuple[str, str, dict[str, Any]]]] = {
    "loadbalancers": lambda id_, child, number: ("/loadbalancers", "loadbalancer", PLACE),
    "listeners": lambda id_, child, number: (
        "/listeners",
        "listener",
        {"protocol": "HTTP", "protocol_port": number, "loadbalancer_id": id_},
    ),
    "pools": lambda id_, child, number: ("/pools", "pool", {**POOL, "loadbalancer_id": id_}),
    "switching": lambda id_, child, number: ("/pools", "pool", {**POOL, "loadbalancer_id": id_}),
    "members": lambda id_, child, number: (
        child.rpartition("/")[0],
        "member",
        {"address": "10.9.9.9", "protocol_port": number},
    ),
    "l7policies": lambda id_, child, number: ("/l7policies", "l7policy", {"action": "REJECT", "position": 1}),
}


def operations(
    api: Growing, kind: str, count: int, tree: int | None = None
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Return the operations, by name, on a load balancer with so many children of a kind.

    The tree that comes and goes has as many, or the given number.
    """
    id_, child = KINDS[kind](api, count)
    collection = child.rpartition("/")[0]
    [listener] = api.ask("GET", "/listeners?limit=1")["listeners"] or [{"id": ""}]
    numbers = itertools.count(30_000)
    made: list[str] = []

    def create() -> None:
        path, key, values = NEW[kind](id_, child, next(numbers))
        owner = {"listener_id": listener["id"]} if key == "l7policy" else {}
        made.append(api.create(key, path, **values, **owner))

    key = NEW[kind](id_, child, 1)[1]
    change = {"position": count // 2} if key == "l7policy" else {"admin_state_up": True}
    project = PLACE["project_id"]

    def come_and_go() -> None:
        """Create a load balancer with as many children, and delete it."""
        api.ask("DELETE", f"/loadbalancers/{KINDS[kind](api, tree or count)[0]}?cascade=true")

    yield "list", lambda: api.ask("GET", collection)
    yield "page", lambda: api.ask("GET", f"{collection}?limit=5")
    yield "page of a project", lambda: api.ask("GET", f"{collection}?limit=5&project_id={project}")
    yield "show", lambda: api.ask("GET", child)
    yield "create", create
    yield "update", lambda: api.ask("PUT", child, {key: change})
    yield "delete", lambda: api.ask("DELETE", f"{collection}/{made.pop()}")
    yield "status", lambda: api.ask("GET", f"/loadbalancers/{id_}/status")
    yield "page of the dashboard", lambda: api.look(f"/loadbalancers/{id_}")
    yield "stats", lambda: api.ask("GET", f"/loadbalancers/{id_}/stats")
    if kind != "loadbalancers":
        yield "tree", come_and_go
    yield "settle", lambda: api.store.settle_noop(id_)
    snapshot = api.store.snapshot(id_)
    assert snapshot is not None
    yield "snapshot", lambda: api.store.snapshot(id_)
    yield "render", lambda: render(dataclasses.replace(snapshot))
    report = reported(snapshot)
    yield "parse a report", lambda: runtime.parse_report(report)
    rows = runtime.parse_report(report).rows
    yield "statuses", lambda: statuses(dataclasses.replace(snapshot), rows, None, False)
    yield "metrics page", lambda: exposition(metrics(snapshot), (), {}, {})


def reported(snapshot: Snapshot) -> str:
    """Return the report of an HAProxy that carries all of it."""
    lines = [f"{each.id},FRONTEND,OPEN,," for each in snapshot.listeners]
    lines += [f"{each.id},BACKEND,UP,1," for each in snapshot.pools]
    lines += [f"{each.backend},{each.name},UP,1," for each in render(snapshot).servers]
    return "\n".join(["Pid: 1", "description: x", "", "# pxname,svname,status,weight,", *lines])


def metrics(snapshot: Snapshot) -> str:
    """A few of the metrics of its exporter."""
    of = [("frontend", f'proxy="{each.id}"') for each in snapshot.listeners]
    of += [("backend", f'proxy="{each.id}"') for each in snapshot.pools]
    of += [("server", f'proxy="{each.backend}",server="{each.name}"') for each in render(snapshot).servers]
    return "\n".join(f"haproxy_{kind}_{name}{{{labels}}} 1" for name in ("a", "b", "c") for kind, labels in of)
