"""HAProxy's choice is that of a plain reading of the same policies, over random requests.

All types of rules, all comparisons, inversions, up to 50 rules a policy, all actions and redirect codes, plain and TLS.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pki
import trees
from handshakes import shake, trusting
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from instances import Running
from members import free_port
from test_policies import rule
from world import Answer, get, member, web

from lbclient.dataplane.config.render import ADMIN_SOCKET, render
from lbclient.dataplane.haproxy import map_files, runtime
from running import wait_until

LISTENERS, REQUESTS = 24, 30  # requests of each listener
WORDS = ("a", "b", "ab", "/a", "/b/", "a.b", "/", "A")
CLIENTS = (None, "alice", "a.b")  # the common names of those who show a certificate
COMPANY = "Test & Co"
CODES = (None, 301, 302, 303, 307, 308)
MATCH = {
    "EQUAL_TO": lambda value, wanted: value == wanted,
    "STARTS_WITH": str.startswith,
    "ENDS_WITH": str.endswith,
    "CONTAINS": lambda value, wanted: wanted in value,
    "REGEX": lambda value, wanted: re.search(wanted, value) is not None,
}
KINDS = ("HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE", "SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT", "SSL_DN_FIELD")
RANKS = {"REJECT": 0, "REDIRECT_TO_URL": 1, "REDIRECT_PREFIX": 1, "REDIRECT_TO_POOL": 2}
TLS = {
    "protocol": "TERMINATED_HTTPS",
    "default_tls_container_ref": "shop",
    "client_authentication": "OPTIONAL",
    "client_ca_tls_container_ref": "ca",
}


@dataclass(frozen=True)
class Request:
    """A client's request: method, path, headers and cookies."""

    path: str
    headers: dict[str, str]
    is_tls: bool
    client: str | None

    def send(self, port: int) -> Answer:
        if not self.is_tls:
            return get(port, self.path, self.headers)
        context = trusting(shows=pki.certified(self.client) if self.client else None)
        return shake(port, context=context, path=self.path, headers=self.headers).answer


def test_random_policies(running: Running, webs) -> None:
    one, two = webs("one", "two")
    chance = random.Random(7)
    tree = web(members={"one": member(one)})
    tree["pools"]["other"] = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": {"two": member(two)}}
    tree["certificates"] = {"shop": {"host": "shop.example"}, "ca": {"authority": "ca"}}
    listeners: dict[str, dict[str, Any]] = {}
    for number in range(LISTENERS):
        count = chance.randint(20, 60) if number % 4 > 1 else chance.randint(1, 8)
        favoured = chance.choice(tuple(RANKS)) if count > 8 else ""
        wanted = {f"{number} {place}": random_policy(chance, place, favoured) for place in range(count)}
        listener: dict[str, Any] = {"protocol_port": free_port(), "default_pool": "pool", "l7policies": wanted}
        listeners[f"{number}"] = {**listener, **(TLS if number % 2 else {"protocol": "HTTP"})}
    running.apply(tree, {"listeners": listeners})
    assert len(list(running.instance.directory.glob("maps/*.map"))) > LISTENERS
    met = set()
    for listener in listeners.values():
        policies = list(listener["l7policies"].values())
        for _ in range(REQUESTS):
            request = random_request(chance, listener["protocol"] == "TERMINATED_HTTPS")
            answer = request.send(listener["protocol_port"])
            seen = answer.name, answer.headers["Location"]
            assert seen == expected(policies, request), (policies, request)
            met.add(answer.name)
    assert met >= {"one", "two", "403", *(str(code) for code in CODES if code)}


def random_policy(chance: random.Random, place: int, favoured: str) -> dict[str, Any]:
    """Some have 50 rules, most of which hold for most requests: else hardly any would decide.

    Among many, most have the favoured action and one rule that a map can decide about.
    """
    is_long = chance.random() < 0.1
    rules = (
        [unlikely(chance) for _ in range(50)] if is_long else [random_rule(chance) for _ in range(chance.randint(0, 3))]
    )
    if favoured and chance.random() < 0.8:
        rules = [rare_rule(chance)]
    actions: dict[str, dict[str, Any]] = {
        "REJECT": {},
        "REDIRECT_TO_POOL": {"redirect_pool": "other"},
        "REDIRECT_TO_URL": {"redirect_url": f"http://{place}/%20{chance.choice(('', '?a=%23#{b}|'))}"},
        "REDIRECT_PREFIX": {"redirect_prefix": f"http://prefix{place}"},
    }
    name = favoured if favoured and chance.random() < 0.7 else chance.choice(tuple(actions))
    action = {"action": name, **actions[name]}
    code = (
        {"redirect_http_code": chance.choice(CODES)}
        if action["action"] in ("REDIRECT_TO_URL", "REDIRECT_PREFIX")
        else {}
    )
    return {**action, **code, "rules": rules, "admin_state_up": chance.random() < 0.9}


def unlikely(chance: random.Random) -> dict[str, Any]:
    value = f"never{chance.random()}" if chance.random() < 0.98 else "a"
    return rule("HEADER", chance.choice(tuple(MATCH)), value, key="A", invert=True)


def rare_rule(chance: random.Random) -> dict[str, Any]:
    """A rule that a map can hold, but for a few of them, and that decides about few requests."""
    text = "".join(chance.choice("ab/.A") for _ in range(chance.randint(2, 5)))
    kind = chance.choice(("HOST_NAME", "PATH", "PATH", "FILE_TYPE"))
    compare = "EQUAL_TO" if kind == "FILE_TYPE" else chance.choice(tuple(MATCH)[:4])
    value = f"/{text}" if kind == "PATH" and compare in ("EQUAL_TO", "STARTS_WITH") else text
    value += chance.choice(("", "", "", ":80", ":")) if kind == "HOST_NAME" else ""
    odd = chance.choice(("# ", " ", "#", "%", "\\", "é")) if chance.random() < 0.1 else ""
    return rule(kind, compare, f"{odd}{value}", key=None, invert=chance.random() < 0.05)


def random_rule(chance: random.Random) -> dict[str, Any]:
    kind = chance.choice(KINDS)
    compare = chance.choice({"FILE_TYPE": ("REGEX", "EQUAL_TO")}.get(kind, tuple(MATCH)))
    key, value = chance.choice(("A", "B")), chance.choice(WORDS)
    if kind in ("SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT"):
        key, compare, value = None, "EQUAL_TO", "True" if kind == "SSL_CONN_HAS_CERT" else chance.choice(("0", "10"))
    if kind == "SSL_DN_FIELD":
        key, value = chance.choice((("CN", "alice"), ("CN", "a"), ("O", COMPANY), ("O", "Co"), ("OU", "a")))
    state = {"invert": chance.random() < 0.3, "admin_state_up": chance.random() < 0.9}
    return rule(kind, compare, value, key=key, **state)


def random_request(chance: random.Random, is_tls: bool) -> Request:
    path = "/" + "".join(chance.choice(("a", "b", "/", ".")) for _ in range(chance.randint(0, 6)))
    path = re.sub("/+", "/", path)
    headers = {
        name: chance.choice(("a", "b", "ab", "a.b", "b,a", "ab , a.b")) for name in ("A", "B") if chance.random() < 0.6
    }
    cookies = [f"{name}={chance.choice(('a', 'b', 'ab'))}" for name in ("A", "B") if chance.random() < 0.6]
    headers |= {"Host": chance.choice(("a", "AB", "a.b", "b:80", "a.b:8080", "ab.a", "BA:1"))}
    headers |= {"Cookie": "; ".join(cookies)} if cookies else {}
    return Request(path, headers, is_tls, chance.choice(CLIENTS) if is_tls else None)


def expected(policies: list[dict[str, Any]], request: Request) -> tuple[str, str | None]:
    """Who answers, or with which status; and where to it redirects. Rejections come first, and pools last."""
    for policy in sorted(policies, key=lambda each: RANKS[each["action"]]):
        rules = [each for each in policy["rules"] if each.get("admin_state_up", True)]
        if policy["admin_state_up"] and rules and all(holds(each, request) for each in rules):
            code = str(policy.get("redirect_http_code") or 302)
            return {
                "REJECT": ("403", None),
                "REDIRECT_TO_POOL": ("two", None),
                "REDIRECT_TO_URL": (code, policy.get("redirect_url")),
                "REDIRECT_PREFIX": (code, f"{policy.get('redirect_prefix')}{request.path}"),
            }[policy["action"]]
    return "one", None


def holds(wanted: dict[str, Any], request: Request) -> bool:
    return any(_matches(wanted, each) for each in looked_at(wanted, request)) != wanted["invert"]


def _matches(wanted: dict[str, Any], value: str) -> bool:
    if wanted["type"] == "HOST_NAME":  # whose case does not matter
        return bool(MATCH[wanted["compare_type"]](value.lower(), wanted["value"].lower()))
    is_end = wanted["type"] == "FILE_TYPE" and wanted["compare_type"] == "EQUAL_TO"
    return bool(MATCH["ENDS_WITH" if is_end else wanted["compare_type"]](value, wanted["value"]))


def looked_at(wanted: dict[str, Any], request: Request) -> list[str]:
    """Return the parts of the request that a rule compares; a match of any is enough."""
    headers, key = request.headers, wanted["key"]
    cookies = dict(pair.split("=") for pair in headers.get("Cookie", "").split("; ") if pair)
    subject = {"CN": request.client, "O": COMPANY} if request.client else {}
    found = {
        "HOST_NAME": [headers["Host"], headers["Host"].partition(":")[0]],
        "PATH": [request.path],
        "HEADER": [each.strip() for each in headers[key].split(",")] if key in headers else [],
        "COOKIE": [cookies.get(key)],
        "FILE_TYPE": [request.path],
        "SSL_CONN_HAS_CERT": ["True"] if request.client else [],
        "SSL_VERIFY_RESULT": ["0"] if request.is_tls else [],
        "SSL_DN_FIELD": [subject.get(key)],
    }[wanted["type"]]
    return [each for each in found if each is not None]


ADDED = ("append", "remove", "move", "retarget", "restart", "kill", "end")
CHANGES = st.lists(st.tuples(st.sampled_from(ADDED), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=6)
IN_MAPS = ("REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REJECT")
SEVERAL = "L7 policies in several maps change at a time"


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES, is_mixed=st.booleans(), action=st.sampled_from(IN_MAPS))
def test_policies_in_maps_change_at_run_time(
    running: Running, webs, changes: list[tuple[str, int, int]], is_mixed: bool, action: str
) -> None:
    """Whatever was changed, and whenever the server was killed: what runs, the file and the model agree."""
    one, two = webs("one", "two")
    numbers = itertools.count()
    policies = [mapped(next(numbers), action, is_mixed) for _ in range(10)]
    tree = web(members={"one": member(one)})
    tree["pools"]["other"] = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": {"two": member(two)}}
    tree["listeners"]["web"]["protocol_port"] = port = free_port()
    running.tree = tree

    def put() -> None:
        known = policies + [mapped(last, action, is_mixed) for last in (98, 99)]  # so that each map stays
        tree["listeners"]["web"]["l7policies"] = {each["rules"][0]["value"]: each for each in known}
        running.tree = tree

    put()
    running.put()
    for what, first, second in changes:
        change(policies, what, first, second, lambda: mapped(next(numbers), action, is_mixed))
        put()
        if what == "restart":
            running.last = None
        if what == "kill":  # the server, after it has written the files
            map_files.store(running.instance.directory, render(trees.snapshot(running.tree)))
            running.last = None
        if what == "end":
            os.kill(running.instance.worker().pid, signal.SIGKILL)  # type: ignore[union-attr]
            wait_until(lambda: running.instance.worker() is None)
        applied = running.put()
        assert applied.how in ("runtime", "nothing", *(("started",) if what == "end" else ())) or (
            applied.how == "reloaded" and is_mixed and applied.reason == SEVERAL
        )
        agree(running, port)


def mapped(number: int, action: str, is_mixed: bool) -> dict[str, Any]:
    target = {
        "REDIRECT_TO_URL": {"redirect_url": f"http://{number}.example/a|b"},
        "REDIRECT_TO_POOL": {"redirect_pool": "other"},
        "REJECT": {},
    }[action]
    how = "STARTS_WITH" if is_mixed and number % 2 else "EQUAL_TO"
    odd = (";", "\\", "'", "$", "<<", "|")[number % 6]
    only = rule("PATH", how, f"/{number}{odd}", key=None, invert=False)
    return {"action": action, **target, "rules": [only], "admin_state_up": True}


def change(
    policies: list[dict[str, Any]], what: str, first: int, second: int, new: Callable[[], dict[str, Any]]
) -> None:
    place = first % len(policies)
    if what in ("append", "kill") or len(policies) < 9:
        policies.insert(second % (len(policies) + 1) if first % 2 else len(policies), new())
    elif what in ("remove", "restart"):
        del policies[place]
    elif what == "move":
        policies.insert(second % len(policies), policies.pop(place))
    elif what == "retarget" and "redirect_url" in policies[place]:
        policies[place] = {**policies[place], "redirect_url": f"http://new{second}.example/"}


def agree(running: Running, port: int) -> None:
    """Compare the running maps with their files and with what is wanted, and answers with the model's."""
    wanted = render(trees.snapshot(running.tree))
    for each in wanted.maps:
        assert (running.instance.directory / each.name).read_text() == each.text
        said = runtime.ask(running.instance.directory, ADMIN_SOCKET, f"show map {each.name}")
        assert [line.partition(" ")[2] for line in said.splitlines() if line] == each.text.splitlines()
    policies = list(running.tree["listeners"]["web"]["l7policies"].values())
    for path in ("/", *(policy["rules"][0]["value"] for policy in policies)):
        answer = get(port, path)
        request = Request(path, {"Host": "a"}, False, None)
        assert (answer.name, answer.headers["Location"]) == expected(policies, request)
