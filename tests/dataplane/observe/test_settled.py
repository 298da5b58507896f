"""Objects that become ACTIVE have their final times and operating statuses at the same moment.

Random load balancers take each other's place. No member changes its health, and nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
import trees
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from members import Web, free_port, until
from world import DataPlaneRig

from lbclient.store.tables import TABLES

Shown = dict[tuple[str, str], tuple[str, str, str | None]]  # (provisioning_status, operating_status, updated_at)

SWITCH = st.sampled_from((True, True, True, False))
MONITORS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(("TCP", "HTTP")),
        "admin_state_up": SWITCH,
        "url_path": st.just("/health"),
        "delay": st.just(1),
        "timeout": st.just(10),
        "max_retries": st.integers(1, 2),
    }
)
DATAGRAM_MONITORS = st.fixed_dictionaries(
    {"type": st.just("TCP"), "admin_state_up": SWITCH, "delay": st.just(1), "timeout": st.just(10)}
).map(lambda given: {**given, "max_retries": 1})
MEMBERS = st.fixed_dictionaries({"admin_state_up": SWITCH, "weight": st.sampled_from((1, 1, 7, 0)), "backup": SWITCH})
RULE = st.fixed_dictionaries({"admin_state_up": SWITCH, "invert": SWITCH}).map(
    lambda given: {**given, "type": "PATH", "compare_type": "STARTS_WITH", "value": "/a"}
)
HTTP_POOLS, DATAGRAM_POOLS = ("p0", "p1", "p2"), ("u0",)


def policies(number: int) -> st.SearchStrategy[dict[str, Any]]:
    each = st.fixed_dictionaries(
        {
            "admin_state_up": SWITCH,
            "action": st.just("REDIRECT_TO_POOL"),
            "redirect_pool": st.sampled_from(HTTP_POOLS[:2]),
            "rules": st.lists(RULE, max_size=2),
        }
    )
    return st.dictionaries(st.sampled_from((f"a{number}", f"b{number}")), each, max_size=2)


def listeners(number: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "protocol": st.just("HTTP"),
            "admin_state_up": SWITCH,
            "default_pool": st.sampled_from(HTTP_POOLS[:2]),
            "l7policies": policies(number),
        }
    )


def pools(protocol: str, monitors: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "protocol": st.just(protocol),
            "lb_algorithm": st.just("ROUND_ROBIN"),
            "admin_state_up": SWITCH,
            "members": st.dictionaries(st.sampled_from(("one", "two")), MEMBERS),
        },
        optional={"healthmonitor": monitors},
    )


TREES = st.fixed_dictionaries(
    {
        "loadbalancer": st.fixed_dictionaries({"admin_state_up": SWITCH}),
        "listeners": st.fixed_dictionaries(
            {},
            optional={
                "w0": listeners(0),
                "w1": listeners(1),
                "udp": st.fixed_dictionaries(
                    {"protocol": st.just("UDP"), "admin_state_up": SWITCH, "default_pool": st.just("u0")}
                ),
                "metrics": st.fixed_dictionaries({"protocol": st.just("PROMETHEUS"), "admin_state_up": SWITCH}),
            },
        ),
        "pools": st.fixed_dictionaries(
            {
                **{name: pools("HTTP", MONITORS) for name in HTTP_POOLS},
                **{name: pools("UDP", DATAGRAM_MONITORS) for name in DATAGRAM_POOLS},
            }
        ),
    }
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(TREES, min_size=2, max_size=3))
def test_what_is_active_is_shown_as_it_stays(
    world: DataPlaneRig, webs: Callable[..., list[Web]], changes: list[dict[str, Any]]
) -> None:
    servers = {"one": webs("one")[0], "two": webs("two")[0]}
    ports = {name: free_port() for name in ("w0", "w1", "udp", "metrics")}
    for change in changes:
        world.tree = placed(change, ports, servers)
        world.put(wait=False)
        found = until(lambda: settled(world))
        assert {provisioning for provisioning, _, _ in found.values()} == {"ACTIVE"}
        assert all(updated for _, _, updated in found.values())
        for _look in range(3):
            world.observer.observe_now(world.id)
            assert named(shown(world)) == named(found)


def test_it_stays_as_long_as_nothing_happens(world: DataPlaneRig, webs: Callable[..., list[Web]]) -> None:
    """The same over several checks, with every kind of thing at once."""
    (one,) = webs("one")
    monitor = {"type": "HTTP", "url_path": "/health", "delay": 1, "timeout": 10, "max_retries": 1}
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/a"}
    policy = {"action": "REDIRECT_TO_POOL", "redirect_pool": "p0", "rules": [rule, {**rule, "admin_state_up": False}]}
    change = {
        "listeners": {
            "w0": {"protocol": "HTTP", "default_pool": "p0", "l7policies": {"a": policy}},
            "w1": {"protocol": "HTTP", "admin_state_up": False},
        },
        "pools": {
            "p0": {
                "protocol": "HTTP",
                "lb_algorithm": "ROUND_ROBIN",
                "members": {"one": {}, "two": {"admin_state_up": False}},
                "healthmonitor": monitor,
            },
            "p1": {
                "protocol": "HTTP",
                "lb_algorithm": "ROUND_ROBIN",
                "members": {"one": {"weight": 0}},
                "healthmonitor": {**monitor, "admin_state_up": False},
            },
        },
    }
    world.tree = placed(change, {"w0": free_port(), "w1": free_port()}, {"one": one, "two": one})
    world.put(wait=False)
    found = until(lambda: settled(world))
    statuses = {key: operating for key, (_, operating, _) in named(found).items()}
    assert statuses == {
        "loadbalancer lb": "ONLINE",
        "listener w0": "ONLINE",
        "listener w1": "OFFLINE",
        "pool p0": "ONLINE",
        "pool p1": "OFFLINE",
        "member p0 one": "ONLINE",
        "member p0 two": "OFFLINE",
        "member p1 one": "NO_MONITOR",
        "healthmonitor p0 monitor": "ONLINE",
        "healthmonitor p1 monitor": "OFFLINE",
        "l7policy a": "ONLINE",
        "l7rule a 1": "ONLINE",
        "l7rule a 2": "OFFLINE",
    }
    checked = len(one.checks)
    until(lambda: len(one.checks) >= checked + 3 or named(shown(world)) != named(found))
    assert named(shown(world)) == named(found)


def placed(change: dict[str, Any], ports: dict[str, int], servers: dict[str, Web]) -> dict[str, Any]:
    """The tree on free ports, with members that are healthy."""
    listeners = {name: {**each, "protocol_port": ports[name]} for name, each in change["listeners"].items()}
    pools = {}
    for name, pool in change["pools"].items():
        members = {
            f"{name} {member}": {**each, "address": "127.0.0.1", "protocol_port": servers[member].port}
            for member, each in pool["members"].items()
        }
        pools[name] = {**pool, "members": members}
    return {**change, "listeners": listeners, "pools": pools}


def settled(world: DataPlaneRig) -> Shown | None:
    """Everything as one transaction shows it, once the load balancer is ACTIVE."""
    found = shown(world)
    status = found["loadbalancer", world.id][0]
    assert status != "ERROR", world.fault()
    return found if status == "ACTIVE" else None


def shown(world: DataPlaneRig) -> Shown:
    with world.store.reading() as tx:
        return {
            (name, row.id): (row.provisioning_status, row.operating_status, row.updated_at)
            for name, table in TABLES.items()
            for row in tx.execute(sa.select(table))
        }


NAMES = ("lb", "w0", "w1", "udp", "metrics", *HTTP_POOLS, *DATAGRAM_POOLS)
NAMES += tuple(f"{pool} {member}" for pool in (*HTTP_POOLS, *DATAGRAM_POOLS) for member in ("one", "two", "monitor"))
NAMES += tuple(f"{policy}{rule}" for policy in ("a", "a0", "a1", "b0", "b1") for rule in ("", " 1", " 2"))


def named(found: Shown) -> dict[str, tuple[str, str, str | None]]:
    known = trees.names(NAMES)
    return {f"{kind} {known[id_]}": each for (kind, id_), each in found.items()}
