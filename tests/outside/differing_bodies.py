"""The requests that are compared beyond one object's body: members in batches, whole trees, quotas and offers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.outside.differences import Call, Pair
from tests.outside.differing_requests import (
    BASE,
    LEAST,
    OFFERED,
    OTHER,
    PROFILE_OF,
    PROJECT,
    UNKNOWN,
    Kept,
    attempt,
    create,
    given,
    path,
)

from lbclient.resources import (
    FLAVORS_AND_ZONES,
    HEALTHMONITOR,
    L7POLICY,
    L7RULE,
    LISTENER,
    LOADBALANCER,
    MEMBER,
    POOL,
    QUOTA,
    Api,
    Field,
    Resource,
)
from lbclient.resources.tree import PARTS

ONE = {"address": "10.0.0.1", "protocol_port": 80}
TWO = {"address": "10.0.0.2", "protocol_port": 80, "weight": 5, "backup": True, "tags": ["a"], "name": "two"}
THREE = {"address": "10.0.0.3", "protocol_port": 80}
IN_ORDER = "?sort=address,protocol_port"


def compare_batches(pair: Pair) -> None:
    """All members of a pool at once: what is new, what is changed, what is not named; and what cannot be."""
    with Kept(pair, create(POOL, LEAST["pool"], "some")) as pool:
        members = f"{pool.path}/members"
        for query, some_batches in (("", batches()), ("?additive_only=true", itertools.islice(batches(), FEW))):
            for batch in some_batches:
                _begin_with_two(pair, members)
                pool.ask(Call("PUT", members + query, batch))
                pair.ask(Call("GET", members + IN_ORDER))
        for query in ADDITIVE:
            _begin_with_two(pair, members)
            pool.ask(Call("PUT", f"{members}?{query}", {"members": [ONE]}))
            pair.ask(Call("GET", members + IN_ORDER))
        pair.ask(Call("PUT", f"{BASE}/pools/{UNKNOWN}/members", {"members": [ONE]}))


FEW = 30  # of the batches, those that are not about one attribute
ADDITIVE = (
    *("additive_only=True", "additive_only=1", "additive_only=yes", "additive_only=x", "additive_only="),
    *("additive_only=false", "bogus=1", "additive_only=true&additive_only=false", "additive_only"),
)


def _begin_with_two(pair: Pair, members: str) -> None:
    usual = {field.name: field.default for field in MEMBER.fields if Api.PUT in field.api}
    pair.quietly(Call("PUT", members, {"members": [{**usual, **each} for each in (ONE, TWO)]}))


def batches() -> Iterator[Any]:
    """Bodies: of each attribute what it can be given, of a member that is new, and of one that is there."""
    for few in ([], [ONE], [TWO], [THREE], [ONE, TWO], [TWO, ONE], [ONE, THREE], [ONE, ONE], [THREE, THREE]):
        yield {"members": few}
    yield from ({"members": odd} for odd in (None, {}, "x", 1, [None], ["x"], [[]], [{}], {"0": ONE}))
    yield from ({}, [], {"member": ONE}, {"members": [ONE], "bogus": 1}, {"members": [ONE], "additive_only": True})
    yield from ({"members": [{**ONE, "protocol_port": port}]} for port in (81, "80", 80.0, "081"))
    yield {"members": [{**ONE, "id": UNKNOWN}]}
    yield {"members": [{"address": "10.0.0.1"}]}
    yield {"members": [{"protocol_port": 80}]}
    for member in (TWO, THREE):
        for field in MEMBER.fields:
            for value in some(field):
                yield {"members": [{**member, field.name: value}]}


def some(field: Field, step: int = 5) -> Iterator[Any]:
    """Fewer than `given`: each value by itself is compared elsewhere."""
    return itertools.islice(given(field), 0, None, step)


WHOLE = {
    "name": "tree",
    "listeners": [
        {
            "protocol": "HTTP",
            "protocol_port": 80,
            "default_pool": {"name": "a"},
            "l7policies": [
                {"action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "b"}, "rules": [LEAST["l7rule"]]},
                {"action": "REJECT", "rules": [LEAST["l7rule"]]},
            ],
        },
        {"protocol": "TCP", "protocol_port": 81},
    ],
    "pools": [
        {
            "name": "a",
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "members": [ONE, TWO],
            "healthmonitor": {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3},
        },
        {"name": "b", "protocol": "HTTP", "lb_algorithm": "SOURCE_IP", "session_persistence": {"type": "SOURCE_IP"}},
    ],
}
MADE: dict[str, Any] = {
    LOADBALANCER.name: {},
    LISTENER.name: {"protocol": "HTTP", "protocol_port": 80},
    POOL.name: {"name": "a", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
    MEMBER.name: ONE,
    HEALTHMONITOR.name: {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3},
    L7POLICY.name: {"action": "REJECT"},
    L7RULE.name: LEAST["l7rule"],
}


def _tree(resource: Resource, value: Any) -> dict[str, Any]:
    """A load balancer in which there is one such part."""
    if resource is LOADBALANCER:
        return dict(value)
    [(owner, part)] = [
        (owner, part)
        for owner, parts in PARTS.items()
        for part in parts
        if part.resource is resource and not part.by_name
    ]
    [holder] = [each for each in (LOADBALANCER, LISTENER, POOL, L7POLICY) if each.name == owner]
    return _tree(holder, {**MADE[owner], part.name: [value] if part.is_list else value})


def compare_trees(pair: Pair) -> None:
    """Load balancers with their parts in one request."""
    for tree in trees():
        body = {**LEAST["loadbalancer"], **tree}
        attempt(pair, create(LOADBALANCER, body, "new"), f"{BASE}/loadbalancers/<new>", seen=True)


def trees() -> Iterator[dict[str, Any]]:
    yield WHOLE
    yield from ({"listeners": odd, "pools": odd} for odd in (None, [], [None], [[]], "x", {}, ["x"], 1))
    for resource, made in (
        (resource, MADE[resource.name]) for resource in (LISTENER, POOL, MEMBER, HEALTHMONITOR, L7POLICY, L7RULE)
    ):
        yield _tree(resource, made)
        yield from (_tree(resource, odd) for odd in (None, "x", [], {}, {**made, "bogus": 1}, {**made, "id": UNKNOWN}))
        yield from (_tree(resource, {**made, name: PROJECT}) for name in ("project_id", "tenant_id"))
        yield from (_tree(resource, {**made, name: UNKNOWN}) for name in OWNERS)
        yield from (_tree(resource, {key: made[key] for key in made if key != name}) for name in made)
        for field in resource.fields:
            if Api.POST in field.api and field.name not in ("project_id", *OWNERS):
                yield from (_tree(resource, {**made, field.name: value}) for value in some(field, 9))
    a, listener = MADE[POOL.name], MADE[LISTENER.name]
    for name in ("default_pool", "redirect_pool"):
        for pool in (
            a,
            {"name": "a"},
            {"name": "b"},
            {},
            {"protocol": "HTTP"},
            None,
            "a",
            [],
            {"name": "a", "protocol": "HTTP"},
        ):
            for pools in ([], [a]):
                yield {"listeners": [_with_pool(listener, name, pool)], "pools": pools}
        yield {
            "listeners": [_with_pool(listener, name, {"name": "t"})],
            "pools": [{**a, "name": "t", "protocol": "TCP"}],
        }
        yield {
            "listeners": [
                _with_pool(listener, name, a),
                {**_with_pool(listener, name, {"name": "a"}), "protocol_port": 81},
            ]
        }
        yield {"listeners": [_with_pool(listener, name, a), {**_with_pool(listener, name, a), "protocol_port": 81}]}
    yield from ({"pools": [a, a]}, {"pools": [{**a, "name": ""}]}, {"pools": [{**a, "name": "b"}, a]})
    yield from ({"listeners": [listener, listener]}, {"listeners": [listener, {**listener, "protocol": "UDP"}]})
    yield {"pools": [{**a, "members": [ONE, ONE]}]}
    yield {"pools": [{**a, "protocol": "UDP", "healthmonitor": MADE[HEALTHMONITOR.name]}]}
    yield {"pools": [{**a, "protocol": "UDP", "healthmonitor": {**MADE[HEALTHMONITOR.name], "type": "TCP"}}]}
    yield {"listeners": [{**listener, "pools": [a]}]}
    yield {
        "listeners": [
            {**listener, "l7policies": [{"action": "REJECT", "position": at, "name": str(at)} for at in (2, 1, 1, 9)]}
        ]
    }
    yield {"listeners": [{**listener, "default_tls_container_ref": "x"}]}
    yield {"listeners": [{**listener, "protocol": "PROMETHEUS", "default_pool": a}]}
    yield {"listeners": [{**listener, "protocol": "TERMINATED_HTTPS"}]}
    yield {"vip_subnet_id": None, "listeners": [listener]}
    yield {"provider": "nope", "listeners": [listener]}
    yield {"listeners": [{**listener, "name": "x"}], "flavor_id": "<flavor>"}


OWNERS = ("loadbalancer_id", "listener_id", "pool_id", "l7policy_id")


def _with_pool(listener: dict[str, Any], name: str, pool: Any) -> dict[str, Any]:
    if name == "default_pool":
        return {**listener, name: pool}
    return {**listener, "l7policies": [{"action": "REDIRECT_TO_POOL", name: pool}]}


def compare_quotas(pair: Pair) -> None:
    """Every limit, in both of its spellings, and what a project has before and after."""
    for project, count in ((PROJECT, 1), (OTHER, 2)):
        pair.quietly(Call("PUT", f"{BASE}/quotas/{project}", {"quota": {"pool": count}}))
    for query in ("", "?limit=1", f"?project_id={OTHER}", "?sort=project_id:desc", "?pool=2", "?fields=pool"):
        pair.ask(Call("GET", f"{BASE}/quotas{query}"))
    mine = f"{BASE}/quotas/{PROJECT}"
    for limit in quotas():
        pair.quietly(Call("PUT", mine, {"quota": {"listener": 7}}))
        answers = pair.ask(Call("PUT", mine, {"quota": limit}))
        if all(each.status == 202 for each in answers):
            pair.ask(Call("GET", mine))
        pair.ask(Call("GET", f"{mine}/default"))
        pair.ask(Call("DELETE", mine))
        pair.ask(Call("GET", mine))
    for body in (
        None,
        {},
        [],
        {"quota": None},
        {"quota": []},
        {"quota": "x"},
        {"quota": {}, "bogus": 1},
        {"quotas": {}},
    ):
        pair.ask(Call("PUT", mine, body))
    for name in ("defaults", "default", "x", UNKNOWN, "p" * 36, "p" * 37, "%20"):
        for end in ("", "/default", "/bogus"):
            pair.ask(Call("GET", f"{BASE}/quotas/{name}{end}"))
    for name in ("x", UNKNOWN, "p" * 36, "%20"):
        pair.ask(Call("PUT", f"{BASE}/quotas/{name}", {"quota": {"pool": 3}}))
        pair.ask(Call("GET", f"{BASE}/quotas/{name}"))
        pair.ask(Call("DELETE", f"{BASE}/quotas/{name}"))


def quotas() -> Iterator[dict[str, Any]]:
    names = [field for field in QUOTA.fields if Api.PUT in field.api]
    for field in names:
        for value in given(field):
            yield {field.name: value}
    yield from ({name: value} for name in ("load_balancer", "health_monitor") for value in (3, None, "x", -2))
    yield {"load_balancer": 3, "loadbalancer": 4}
    yield {"load_balancer": 3, "loadbalancer": 3}
    yield {field.name: 3 for field in names}
    yield from ({}, {"bogus": 1}, {"project_id": PROJECT}, {"tenant_id": PROJECT}, {"vip": 1})


def compare_offers(pair: Pair) -> None:
    """Flavors, availability zones and their profiles: every attribute, new and changed, in use and not."""
    for profile, collection, data, offer, offers, _ in OFFERED:
        resources = {resource.name.replace("_", ""): resource for resource in FLAVORS_AND_ZONES}
        least = {"name": "p", "provider_name": "noop_driver", data: "{}"}
        pair.quietly(Call("POST", f"{BASE}/{collection}", {profile: least}, keep="profile"))
        its = {"name": "o", PROFILE_OF[offer]: "<profile>"}
        for key, place, values in ((profile, collection, least), (offer, offers, its)):
            resource = resources[key.replace("_", "")]
            for body in offered(resource, values):
                attempt(pair, Call("POST", f"{BASE}/{place}", {key: body}, keep="new"), f"{BASE}/{place}/<new>")
            with Kept(pair, Call("POST", f"{BASE}/{place}", {key: {**values, "name": "kept"}}, keep="kept")) as kept:
                for change in offer_changes(resource):
                    kept.change(change)
                pair.ask(Call("POST", f"{BASE}/{place}", {key: {**values, "name": "kept"}}))
                pair.ask(Call("PUT", f"{BASE}/{place}/{UNKNOWN}", {key: {}}))
                pair.ask(Call("DELETE", f"{BASE}/{place}/{UNKNOWN}"))
        _compare_use(pair, profile, collection, data, offer, offers)
        pair.quietly(Call("DELETE", f"{BASE}/{collection}/<profile>"))


def _compare_use(pair: Pair, profile: str, collection: str, data: str, offer: str, offers: str) -> None:
    """Profiles and flavors that are in use cannot be deleted."""
    pair.quietly(
        Call("POST", f"{BASE}/{offers}", {offer: {"name": "used", PROFILE_OF[offer]: "<profile>"}}, keep="used")
    )
    chosen = "flavor_id" if offer == "flavor" else offer
    pair.ask(create(LOADBALANCER, {**LEAST["loadbalancer"], chosen: "<used>"}, "user"))
    for change in ({"name": "other"}, {"provider_name": "noop_driver-alt"}, {data: "{}"}, {data: '{"x": 1}'}):
        pair.ask(Call("PUT", f"{BASE}/{collection}/<profile>", {profile: change}))
    for place in (
        f"{collection}/<profile>",
        f"{offers}/<used>",
        "loadbalancers/<user>",
        f"{offers}/<used>",
        f"{collection}/<profile>",
    ):
        pair.ask(Call("DELETE", f"{BASE}/{place}"))
    pair.quietly(
        Call(
            "POST",
            f"{BASE}/{collection}",
            {profile: {"name": "p", "provider_name": "noop_driver", data: "{}"}},
            keep="profile",
        )
    )


DATA = (
    *("{}", "[]", "1", "null", '"x"', "{", "", "not json"),
    *('{"compute_flavor": "x"}', '{"bogus": 1}', '{"compute_zone": 1}', "{} x", " {} ", '{"a": NaN}'),
)


def offered(resource: Resource, least: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield least
    yield from ({key: least[key] for key in least if key != name} for name in least)
    yield from ({**least, field.name: value} for field in resource.fields for value in _of_offer(field))
    yield from ({**least, name: 1} for name in ("bogus", "project_id", "tenant_id", "id"))


def offer_changes(resource: Resource) -> Iterator[dict[str, Any]]:
    yield {}
    yield from ({field.name: value} for field in resource.fields for value in _of_offer(field))
    yield from ({name: 1} for name in ("bogus", "project_id", "id"))


def _of_offer(field: Field) -> Iterator[Any]:
    yield from (value for value in given(field) if field.pattern is None or value not in ("", " ", "a/b"))  # no paths
    yield from DATA if field.name.endswith("_data") else ()
    yield from ("noop_driver", "noop_driver-alt", "nope", "amphora") if field.name == "provider_name" else ()
    yield from (UNKNOWN, "<profile>") if field.name.endswith("_profile_id") else ()


def compare_providers(pair: Pair) -> None:
    """Who there is, and what can be told to them."""
    kinds = [f"{kind}_capabilities" for kind in ("flavor", "availability_zone", "x")]
    for place in ("", *(f"/{name}/{kind}" for name in ("noop_driver", "nope") for kind in kinds)):
        for query in (
            "",
            "name=noop_driver",
            "name=compute_zone",
            "fields=name",
            "description=x",
            "bogus=1",
            "limit=1",
        ):
            pair.ask(Call("GET", f"{BASE}/providers{place}?{query}"))
        for method in ("POST", "PUT", "DELETE"):
            pair.ask(Call(method, f"{BASE}/providers{place}", {}))


def compare_positions(pair: Pair) -> None:
    """Where policies are among those of their listener, when one comes, moves or goes."""
    for position in POSITIONS:
        own = {} if position is None else {"position": position}
        with _four_policies(pair):
            pair.ask(create(L7POLICY, {"listener_id": "<some>", "action": "REJECT", "name": "new", **own}))
            pair.ask(Call("GET", f"{IN_POSITION}&fields=position"))
        with _four_policies(pair) as listener:
            pair.ask(Call("PUT", f"{BASE}/l7policies/<b>", {"l7policy": {"name": "B", **own}}))
            pair.ask(Call("GET", f"{IN_POSITION}&fields=position"))
            pair.ask(Call("GET", listener.path))
    for name in ("a", "c"):
        with _four_policies(pair):
            pair.ask(Call("DELETE", f"{BASE}/l7policies/<{name}>"))
            pair.ask(Call("GET", IN_POSITION))  # those behind move up when the driver is done, which is never


POSITIONS = (None, 0, 1, 3, 4, 6, -1, 2**31 - 1, 2**31, "2", True)
IN_POSITION = f"{BASE}/l7policies?listener_id=<some>&sort=position&fields=name"


@contextmanager
def _four_policies(pair: Pair) -> Iterator[Kept]:
    with Kept(pair, create(LISTENER, {**LEAST["listener"], "protocol_port": 8002}, "some")) as listener:
        for name in ("a", "b", "c", "d"):
            pair.quietly(create(L7POLICY, {"listener_id": "<some>", "action": "REJECT", "name": name}, name))
        yield listener


def compare_ends(pair: Pair) -> None:
    """Compare deletions and what prevents them, failover, status trees and counters."""
    for cascade in CASCADES:
        for tree in ({}, {"pools": WHOLE["pools"]}, {"listeners": [MADE[LISTENER.name]]}):
            pair.quietly(create(LOADBALANCER, {**LEAST["loadbalancer"], **tree}, "new"))
            pair.ask(Call("DELETE", f"{BASE}/loadbalancers/<new>{cascade}"))
            pair.ask(Call("GET", f"{BASE}/loadbalancers/<new>"))
            pair.quietly(Call("DELETE", f"{BASE}/loadbalancers/<new>?cascade=true"))
    for resource in (LISTENER, POOL, MEMBER, HEALTHMONITOR, L7POLICY, L7RULE):
        _grow(pair)
        pair.ask(Call("DELETE", _in_tree(resource)))
        pair.ask(Call("DELETE", _in_tree(resource)))
        for other in (LOADBALANCER, LISTENER, POOL, MEMBER, HEALTHMONITOR, L7POLICY, L7RULE):
            pair.ask(Call("GET", _in_tree(other)))
        _compare_sights(pair)
        pair.quietly(Call("DELETE", f"{BASE}/loadbalancers/<t>?cascade=true"))
    pair.quietly(create(LOADBALANCER, LEAST["loadbalancer"], "t"))
    _compare_sights(pair)
    pair.quietly(Call("DELETE", f"{BASE}/loadbalancers/<t>?cascade=true"))


CASCADES = (
    *("", "?cascade=true", "?cascade=True", "?cascade=false", "?cascade=", "?cascade=1", "?cascade=x"),
    *("?cascade=yes&x=1", "?cascade=true&cascade=false"),
)


def _grow(pair: Pair) -> None:
    """A load balancer <t> with one of everything, and a pool that a policy redirects to."""
    for call in (
        create(LOADBALANCER, {**LEAST["loadbalancer"], "name": "t"}, "t"),
        create(POOL, {**LEAST["pool"], "loadbalancer_id": "<t>", "name": "tp"}, "tp"),
        create(LISTENER, {**LEAST["listener"], "loadbalancer_id": "<t>", "default_pool_id": "<tp>"}, "tl"),
        create(POOL, {**LEAST["pool"], "loadbalancer_id": "<t>"}, "tr"),
        Call("POST", f"{BASE}/pools/<tp>/members", {"member": {**ONE, "name": "m"}}, keep="tm"),
        create(HEALTHMONITOR, {**LEAST["healthmonitor"], "pool_id": "<tp>", "name": "h"}, "th"),
        create(L7POLICY, {"listener_id": "<tl>", "action": "REDIRECT_TO_POOL", "redirect_pool_id": "<tr>"}, "ty"),
        Call("POST", f"{BASE}/l7policies/<ty>/rules", {"rule": LEAST["l7rule"]}, keep="tu"),
    ):
        pair.ask(call)


def _in_tree(resource: Resource) -> str:
    mine = {"pool": "<tp>", "member": "<tm>", "l7rule": "<tu>", "loadbalancer": "<t>", "listener": "<tl>"}
    id_ = {**mine, "healthmonitor": "<th>", "l7policy": "<ty>"}[resource.name]
    return f"{path(resource)}/{id_}".replace("<pool>", "<tp>").replace("<policy>", "<ty>")


def _compare_sights(pair: Pair) -> None:
    for end in ("/status", "/statuses", "/stats"):
        pair.ask(Call("GET", f"{BASE}/loadbalancers/<t>{end}"))
        pair.ask(Call("GET", f"{BASE}/loadbalancers/<t>{end}?fields=id"))
    pair.ask(Call("GET", f"{BASE}/listeners/<tl>/stats"))
    for body in (None, {}, {"x": 1}):
        pair.ask(Call("PUT", f"{BASE}/loadbalancers/<t>/failover", body))
    pair.ask(Call("GET", f"{BASE}/loadbalancers/<t>"))
