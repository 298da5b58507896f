"""Random requests, some of them at once, against a running server and a model of Octavia's rules: no difference.

Requests that are sent at once may be carried out in any order, but as if one after the other: some order of them has to
explain every answer and what is there afterwards. Nothing may end with a 5xx, and nothing may stay PENDING.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from rulemodel import Request, Thing, World
from running import RunningServer, end_server, start_server, wait_until

MODES = ("--network=noop", "--certificates=noop", "--providers=noop_driver", "--default-provider=noop_driver")
UNKNOWN = str(uuid.UUID(int=7))
PROJECTS = ("first", "second")
EXAMPLES, STEPS = 14, 25  # with --long as many as fit


@dataclass
class Api:
    """The server, as a user of one of two projects, or as the administrator."""

    server: RunningServer
    tokens: dict[str, str] = field(default_factory=dict)
    projects: dict[str, str] = field(default_factory=dict)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, who: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = f"{self.server.url}/load-balancer/v2.0/lbaas{path}"
        headers = {"X-Auth-Token": self.tokens[who]}
        answer = self.session.request(method, url, json=body, headers=headers, timeout=60)
        return answer.status_code, answer.json() if answer.content else None

    def send(self, request: Request) -> tuple[int, Any]:
        query = "?cascade=true" if request.is_cascade else "?additive_only=true" if request.is_additive else ""
        return self.ask(request.project, request.method, request.path + query, request.body)

    def log_in(self) -> None:
        """Two projects with a member each."""
        clouds = yaml.safe_load((self.server.state_directory / "clouds.yaml").read_text())["clouds"]
        login = clouds["lbclient-admin"]["auth"]
        self.tokens["admin"] = self._token(login["username"], login["password"], login["project_name"])
        roles = self._identity("GET", "roles?name=member")["roles"]
        for name in PROJECTS:
            project = self._identity("POST", "projects", {"project": {"name": name, "domain_id": "default"}})["project"]
            user = self._identity("POST", "users", {"user": {"name": name, "password": name}})["user"]
            self._identity("PUT", f"projects/{project['id']}/users/{user['id']}/roles/{roles[0]['id']}")
            self.projects[name] = project["id"]
            self.tokens[name] = self._token(name, name, name)

    def _identity(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Auth-Token": self.tokens["admin"]}
        answer = requests.request(
            method, f"{self.server.url}/identity/v3/{path}", json=body, headers=headers, timeout=10
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def _token(self, name: str, password: str, project: str) -> str:
        default = {"domain": {"id": "default"}}
        user = {"name": name, "password": password, **default}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": {"project": {"name": project, **default}}}}
        answer = requests.post(f"{self.server.url}/identity/v3/auth/tokens", json=body, timeout=10)
        return answer.headers["X-Subject-Token"]


# What is asked for, as words that become a request when it is known what there is.

PICK = st.sampled_from([*range(8), *range(8), *range(8), 10, 11])
NAMES = st.sampled_from(["", "a", "b"])
COMMON = {"name": NAMES, "admin_state_up": st.sampled_from([True, False, None]), "tags": st.just(["t"])}
PORTS = st.sampled_from([80, 81, 82, 83, 84, 85, 0])
MEMBER = st.fixed_dictionaries(
    {"address": st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]), "protocol_port": st.sampled_from([80, 81])},
    optional={"weight": st.sampled_from([0, 1, 5, 9, 256, 257]), "backup": st.booleans(), "name": NAMES},
)
PERSISTENCE = st.sampled_from(
    [{"type": "SOURCE_IP"}, {"type": "HTTP_COOKIE"}, {"type": "APP_COOKIE"}, {"type": "APP_COOKIE", "cookie_name": "c"}]
)
TARGETS = {
    "redirect_pool_id": PICK,
    "redirect_url": st.just("http://a.example/"),
    "position": st.sampled_from([1, 2, 3, 9, 0]),
}
PROTOCOLS = ["HTTP", "TCP", "UDP", "HTTP", "PROMETHEUS"]
ACTIONS = st.sampled_from(["REJECT", "REDIRECT_TO_POOL", "REDIRECT_TO_URL"])
RULES = {
    "type": st.sampled_from(["PATH", "HEADER", "FILE_TYPE"]),
    "compare_type": st.sampled_from(["EQUAL_TO", "STARTS_WITH"]),
    "value": st.sampled_from(["/a", "b"]),
}
# Kind -> (the collection, what POST takes at least, what it can take, what PUT can take)
SHAPES: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "loadbalancer": ("loadbalancers", {"vip_subnet_id": st.just(UNKNOWN)}, {}, {"description": NAMES}),
    "listener": (
        "listeners",
        {"loadbalancer_id": PICK, "protocol": st.sampled_from(PROTOCOLS), "protocol_port": PORTS},
        {"connection_limit": st.sampled_from([-2, 5, 6, 7]), "default_pool_id": PICK},
        {"connection_limit": st.sampled_from([-2, 6, None]), "default_pool_id": PICK | st.none()},
    ),
    "pool": (
        "pools",
        {"protocol": st.sampled_from(PROTOCOLS[:3]), "lb_algorithm": st.just("ROUND_ROBIN")},
        {"session_persistence": PERSISTENCE},
        {"lb_algorithm": st.just("SOURCE_IP"), "session_persistence": PERSISTENCE | st.none()},
    ),
    "member": ("members", {}, {}, {"weight": st.sampled_from([0, 7, 300, None]), "backup": st.booleans() | st.none()}),
    "healthmonitor": (
        "healthmonitors",
        {
            "pool_id": PICK,
            "type": st.sampled_from(["HTTP", "TCP", "UDP-CONNECT", "PING"]),
            "delay": st.just(5),
            "timeout": st.just(3),
            "max_retries": st.sampled_from([1, 2, 3, 10, 11]),
        },
        {"url_path": st.just("/x"), "max_retries_down": st.sampled_from([0, 1, 2])},
        {
            "delay": st.just(6),
            "url_path": st.sampled_from(["/y", None]),
            "max_retries_down": st.sampled_from([3, 11, None]),
        },
    ),
    "l7policy": ("l7policies", {"listener_id": PICK, "action": ACTIONS}, TARGETS, {"action": ACTIONS, **TARGETS}),
    "rule": ("rules", RULES, {"key": st.just("k")}, {"value": st.just("c"), "invert": st.booleans() | st.none()}),
}
POOL_OWNERS = st.sampled_from(
    [("loadbalancer_id",)] * 4 + [("listener_id",)] * 3 + [("loadbalancer_id", "listener_id"), ()]
)
KINDS = (
    ["member", "l7policy", "healthmonitor", "rule", "listener", "pool"] * 3 + ["batch"] * 2 + ["loadbalancer", "tree"]
)
VERBS = ["PUT"] * 4 + ["POST"] * 5 + ["DELETE"] * 2 + ["GET"]
PARENTS = {"member": ("pools", "pool"), "rule": ("l7policies", "l7policy")}
REFERENCES = {
    "loadbalancer_id": "loadbalancer",
    "listener_id": "listener",
    "pool_id": "pool",
    "default_pool_id": "pool",
    "redirect_pool_id": "pool",
}


@st.composite
def intents(draw: st.DrawFn) -> dict[str, Any]:
    """Who wants what, with numbers where IDs will be."""
    kind = draw(st.sampled_from(KINDS))
    verb = draw(st.sampled_from(VERBS))
    found = {"kind": kind, "verb": verb, "project": draw(st.sampled_from(["first", "first", "first", "second"]))}
    found |= {"parent": draw(PICK), "object": draw(PICK), "flag": draw(st.booleans())}
    if kind in ("batch", "tree"):
        return {**found, "values": draw(st.lists(MEMBER, max_size=3))}
    _, least, more, changes = SHAPES[kind]
    common = {name: strategy for name, strategy in COMMON.items() if kind != "rule" or name != "name"}
    if verb == "POST":
        body = draw(MEMBER) if kind == "member" else draw(st.fixed_dictionaries(least, optional={**more, **common}))
        body |= {owner: draw(PICK) for owner in (draw(POOL_OWNERS) if kind == "pool" else ())}
    else:
        body = draw(st.fixed_dictionaries({}, optional={**changes, **common}))
    return {**found, "values": body}


def request(world: World, intent: dict[str, Any]) -> Request:
    """The request that an intent is, in a world."""
    project, kind, verb = intent["project"], intent["kind"], intent["verb"]
    if kind == "batch":
        path = f"/pools/{pick(world, project, 'pool', intent['parent'])}/members"
        return Request(project, "PUT", path, {"members": intent["values"]}, is_additive=intent["flag"])
    if kind == "tree":
        return Request(project, "DELETE", f"/loadbalancers/{pick(world, project, 'loadbalancer', 3)}", None, True)
    collection = SHAPES[kind][0]
    values = {
        name: pick(world, project, REFERENCES[name], value) if name in REFERENCES and value is not None else value
        for name, value in intent["values"].items()
    }
    path = f"/{collection}"
    if kind in PARENTS:
        above, parent = PARENTS[kind]
        path = f"/{above}/{pick(world, project, parent, intent['parent'])}{path}"
    if verb == "POST":
        return Request(project, verb, path, {kind: values})
    path = f"{path}/{pick(world, project, kind, intent['object'])}"
    return Request(project, verb, path, {kind: values} if verb == "PUT" else None, is_cascade=False)


def pick(world: World, project: str, kind: str, number: int) -> str:
    """An object of the kind: mostly one's own, now and then of the other project or one that does not exist."""
    if number == 11:
        return UNKNOWN
    ids = [id_ for id_, thing in world.all(kind) if number == 10 or thing.project == project]
    return ids[number % len(ids)] if ids else UNKNOWN


# A tree that requests can meet from the start.
BEGINNING: list[dict[str, Any]] = [
    {"kind": "loadbalancer", "values": {"vip_subnet_id": UNKNOWN}},
    {"kind": "listener", "values": {"loadbalancer_id": 0, "protocol": "HTTP", "protocol_port": 79}},
    {"kind": "pool", "values": {"listener_id": 0, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}},
    {"kind": "member", "values": {"address": "10.0.0.9", "protocol_port": 80}},
    {"kind": "l7policy", "values": {"listener_id": 0, "action": "REJECT"}},
]

# What there is.


def observed(api: Api, project: str) -> dict[str, Any]:
    """Every object of a project as the API answers it, by ID."""
    found: dict[str, Any] = {}

    def read(kind: str, path: str, **owners: str) -> None:
        status, answer = api.ask(project, "GET", path)
        assert status == 200, answer
        for each in answer[SHAPES[kind][0]]:
            found[each["id"]] = (kind, each, owners)

    for kind in ("loadbalancer", "listener", "pool", "healthmonitor", "l7policy"):
        read(kind, f"/{SHAPES[kind][0]}")
    for id_, (kind, _, _) in list(found.items()):
        for inner, (above, outer) in PARENTS.items():
            if kind == outer:
                read(inner, f"/{above}/{id_}/{SHAPES[inner][0]}")
    return found


def differences(world: World, seen: dict[str, Any]) -> list[str]:
    """Return the differences between server and model; members without an ID in the model get theirs."""
    keys = {(m["pool"], m["address"], m["protocol_port"]): id_ for id_, m in members(seen).items()}
    for id_, thing in list(world.things.items()):
        if " " in id_:
            key = (thing.owners["pool"], thing.values["address"], thing.values["protocol_port"])
            world.things[keys.get(key, id_)] = world.things.pop(id_)
    found = [f"only in the model: {id_} {world.things[id_]}" for id_ in world.things.keys() - seen.keys()]
    found += [f"only in the server: {seen[id_]}" for id_ in seen.keys() - world.things.keys()]
    for id_ in world.things.keys() & seen.keys():
        found += unequal(world.things[id_], seen[id_][1])
    return found


def members(seen: dict[str, Any]) -> dict[str, Any]:
    pools = {each["id"]: id_ for id_, (kind, pool, _) in seen.items() if kind == "pool" for each in pool["members"]}
    return {id_: {**each, "pool": pools[id_]} for id_, (kind, each, _) in seen.items() if kind == "member"}


def unequal(thing: Thing, answer: Any) -> list[str]:
    shown = dict(answer)
    if shown.get("session_persistence"):
        kept = shown["session_persistence"]
        shown["session_persistence"] = {name: kept[name] for name in ("type", "cookie_name") if kept[name]}
    expected = {**thing.values, "provisioning_status": "ACTIVE"}
    return [
        f"{thing.kind} {answer['id']}: {name} is {shown[name]!r}, not {value!r}"
        for name, value in expected.items()
        if shown[name] != value
    ]


def is_busy(status: int, answer: Any) -> bool:
    words = ("is immutable and cannot be updated.", "Invalid state PENDING_")
    return status == 409 and any(word in answer["faultstring"] for word in words)


def explain(world: World, sent: list[tuple[Request, int, Any]], seen: dict[str, Any]) -> tuple[World | None, list[str]]:
    """The world after some order of the requests that fits what was answered and what is there; or why none does."""
    reasons = []
    for order in permutations(sent):
        after, why = world.copy(), []
        for asked, status, answer in order:
            refusals = after.refusals(asked)
            if status >= 300:
                why += [] if status in refusals else [f"{asked} -> {status} {answer}, expected {refusals or 'success'}"]
            elif refusals:
                why.append(f"{asked} -> {status} {answer}, expected {refusals}")
            elif asked.method != "GET":
                after.happen(asked, answer)
            if why:
                break
        why = why or differences(after, seen)
        if not why:
            return after, []
        reasons += why
    return None, reasons


def machine(api: Api, is_strict: bool) -> type[RuleBasedStateMachine]:
    class Writers(RuleBasedStateMachine):
        """Up to three requests at a time, and a look at everything after each time."""

        def __init__(self) -> None:
            super().__init__()
            self.world = World()

        @initialize(
            quotas=st.dictionaries(st.sampled_from(["listener", "pool", "member"]), st.integers(2, 4), max_size=1)
        )
        def begin(self, quotas: dict[str, int]) -> None:
            for name in PROJECTS:
                for each in BEGINNING:
                    usual = {"kind": "", "verb": "POST", "project": name, "parent": 0, "object": 0, "flag": False}
                    self.together([request(self.world, {**usual, **each})])
            for kind, limit in quotas.items():
                path = f"/quotas/{api.projects['first']}"
                assert api.ask("admin", "PUT", path, {"quota": {kind: limit}})[0] == 202
                self.world.limits["first", kind] = limit

        @rule(wanted=st.lists(intents(), min_size=1, max_size=3))
        def write(self, wanted: list[dict[str, Any]]) -> None:
            self.together([request(self.world, each) for each in wanted])

        def together(self, asked: list[Request]) -> None:
            answers = list(api.pool.map(api.send, asked))
            sent = [(each, *answer) for each, answer in zip(asked, answers, strict=True)]
            kept = [each for each in sent if not (is_strict and len(sent) > 1 and is_busy(*each[1:]))]
            wait_until(lambda: not pending(api))
            seen = {id_: each for name in PROJECTS for id_, each in observed(api, name).items()}
            after, why = explain(self.world, kept, seen)
            assert after is not None, "\n".join([*why, *map(str, sent)])
            self.world = after

        def teardown(self) -> None:
            for name in PROJECTS:
                for each in api.ask(name, "GET", "/loadbalancers")[1]["loadbalancers"]:
                    assert api.ask(name, "DELETE", f"/loadbalancers/{each['id']}?cascade=true")[0] == 204
                assert api.ask("admin", "DELETE", f"/quotas/{api.projects[name]}")[0] == 202
            wait_until(lambda: not api.ask("admin", "GET", "/loadbalancers")[1]["loadbalancers"])
            assert not any(observed(api, name) for name in PROJECTS)

    return Writers


def pending(api: Api) -> list[str]:
    found = api.ask("admin", "GET", "/loadbalancers?fields=id&fields=provisioning_status")[1]["loadbalancers"]
    return [each["id"] for each in found if each["provisioning_status"].startswith("PENDING_")]


@pytest.fixture
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    running = start_server(tmp_path / "state", *MODES, f"--busy-wait={request.param}")
    found = Api(running)
    try:
        found.log_in()
        yield found
    finally:
        found.pool.shutdown()
        found.session.close()
        end_server(running)


@pytest.mark.parametrize("api", [0, 20], ids=["refusing", "waiting"], indirect=True)
def test_the_server_and_the_model_agree(api: Api, request: pytest.FixtureRequest) -> None:
    minutes = request.config.getoption("long")
    usual = settings(
        max_examples=EXAMPLES * (1 + 60 * minutes // 15),
        stateful_step_count=STEPS,
        derandomize=not minutes,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if minutes else (Phase.generate,),
    )
    is_strict = "--busy-wait=0" in api.server.process.args  # type: ignore[operator]
    run_state_machine_as_test(machine(api, is_strict), settings=usual)
