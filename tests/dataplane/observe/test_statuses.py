"""Operating statuses, from made-up reports."""

from __future__ import annotations

from typing import Any

import pytest
import trees

from lbclient.dataplane.statuses import Statuses, statuses

pytestmark = pytest.mark.usefixtures("some_vips")

TREE: dict[str, Any] = {
    "listeners": {
        "web": {
            "protocol": "HTTP",
            "protocol_port": 80,
            "default_pool": "pool",
            "l7policies": {
                "policy": {
                    "action": "REDIRECT_TO_POOL",
                    "redirect_pool": "other",
                    "rules": [{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}],
                }
            },
        }
    },
    "pools": {
        "pool": {
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "healthmonitor": {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1},
            "members": {
                "one": {"address": "10.0.0.1", "protocol_port": 80},
                "two": {"address": "10.0.0.2", "protocol_port": 80},
            },
        },
        "other": {
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "members": {"three": {"address": "10.0.0.3", "protocol_port": 80}},
        },
        "unused": {
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "members": {"four": {"address": "10.0.0.4", "protocol_port": 80}},
        },
    },
}
WELL = {
    "web": "OPEN",
    "pool": "UP",
    "pool/one": "UP",
    "pool/two": "UP",
    "other": "UP",
    "other/three": "no check",
}


def report(said: dict[str, str], weight: str = "1") -> dict[tuple[str, str], dict[str, str]]:
    rows = {}
    for name, status in said.items():
        proxy, _, server = name.partition("/")
        kind = trees.identity(server) if server else ("FRONTEND" if proxy == "web" else "BACKEND")
        rows[trees.identity(proxy), kind] = {"status": status, "weight": weight, "uweight": weight}
    return rows


def observed(
    change: dict[str, Any], said: dict[str, str] | None, error: str | None = None
) -> dict[tuple[str, str], str]:
    """The statuses by name."""
    snapshot = trees.snapshot(trees.merged(TREE, change))
    found: Statuses = statuses(snapshot, None if said is None else report(said), error, is_needed=True)
    names = {}
    for kind, name in (
        ("loadbalancer", "lb"),
        ("listener", "web"),
        *(("pool", each) for each in TREE["pools"]),
        *(("member", each) for each in ("one", "two", "three", "four")),
        ("healthmonitor", "pool monitor"),
        ("l7policy", "policy"),
        ("l7rule", "policy 1"),
    ):
        names[kind, name] = found.pop((kind, trees.identity(name)))
    assert found == {}
    return names


def changed(found: dict[tuple[str, str], str]) -> dict[str, str]:
    """Return the statuses that differ from those of a healthy load balancer."""
    well = observed({}, WELL)
    return {name: status for (kind, name), status in found.items() if well[kind, name] != status}


def test_all_is_well() -> None:
    assert observed({}, WELL) == {
        ("loadbalancer", "lb"): "ONLINE",
        ("listener", "web"): "ONLINE",
        ("pool", "pool"): "ONLINE",
        ("pool", "other"): "ONLINE",
        ("pool", "unused"): "OFFLINE",
        ("member", "one"): "ONLINE",
        ("member", "two"): "ONLINE",
        ("member", "three"): "NO_MONITOR",
        ("member", "four"): "NO_MONITOR",
        ("healthmonitor", "pool monitor"): "ONLINE",
        ("l7policy", "policy"): "ONLINE",
        ("l7rule", "policy 1"): "ONLINE",
    }


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"pool/one": "DOWN"}, {"one": "ERROR", "pool": "DEGRADED", "lb": "DEGRADED"}),
        ({"pool/one": "DOWN 1/2"}, {"one": "ERROR", "pool": "DEGRADED", "lb": "DEGRADED"}),
        ({"pool/one": "UP 1/3"}, {}),
        ({"pool/one": "DRAIN"}, {"one": "DRAINING"}),
        ({"pool/one": "MAINT"}, {"one": "OFFLINE"}),
        (
            {"pool/one": "DOWN", "pool/two": "DOWN", "pool": "DOWN"},
            {"one": "ERROR", "two": "ERROR", "pool": "ERROR", "lb": "ERROR"},
        ),
        ({"web": "FULL"}, {"web": "DEGRADED", "lb": "DEGRADED"}),
    ],
)
def test_what_haproxy_says(said: dict[str, str], expected: dict[str, str]) -> None:
    assert changed(observed({}, {**WELL, **said})) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"listeners": {"web": {"admin_state_up": False}}}, {"web": "OFFLINE", "pool": "OFFLINE", "other": "OFFLINE"}),
        ({"pools": {"pool": {"admin_state_up": False}}}, {"pool": "OFFLINE"}),
        ({"pools": {"pool": {"members": {"one": {"admin_state_up": False}}}}}, {"one": "OFFLINE"}),
        (
            {"pools": {"pool": {"healthmonitor": {"admin_state_up": False}}}},
            {"pool monitor": "OFFLINE"},  # members still say UP here, since the report is made up
        ),
        (
            {"listeners": {"web": {"l7policies": {"policy": {"admin_state_up": False}}}}},
            {"policy": "OFFLINE", "other": "OFFLINE"},
        ),
    ],
)
def test_what_is_disabled_is_offline(change: dict[str, Any], expected: dict[str, str]) -> None:
    assert changed(observed(change, WELL)) == expected


def test_a_disabled_load_balancer() -> None:
    found = observed({"loadbalancer": {"admin_state_up": False}}, None)
    assert {found[key] for key in found if key[0] in ("loadbalancer", "listener", "pool")} == {"OFFLINE"}
    assert found["member", "one"] == "OFFLINE"


def test_a_silent_haproxy_is_an_error() -> None:
    found = observed({}, None)
    assert found["loadbalancer", "lb"] == found["listener", "web"] == "ERROR"
    assert found["pool", "pool"] == found["member", "one"] == "OFFLINE"


def test_a_listener_that_could_not_be_applied_is_offline() -> None:
    said = {name: status for name, status in WELL.items() if name != "web"}
    change = {"listeners": {"web": {"provisioning_status": "ERROR"}}}
    assert observed(change, said, error="the port is in use")["listener", "web"] == "OFFLINE"
    assert observed({}, said)["listener", "web"] == "ERROR"


def test_weight_0_is_draining_whatever_else() -> None:
    snapshot = trees.snapshot(TREE)
    found = statuses(snapshot, report({**WELL, "pool/two": "DOWN"}, weight="0"), None, True)
    assert found["member", trees.identity("one")] == "DRAINING"
    assert found["member", trees.identity("three")] == "DRAINING"
    assert found["member", trees.identity("two")] == "ERROR"


def test_pings_are_a_monitor_that_haproxy_does_not_know() -> None:
    change = {"pools": {"pool": {"healthmonitor": {"type": "PING"}}}}
    found = observed(change, {**WELL, "pool/one": "no check", "pool/two": "DOWN"})
    assert found["member", "one"] == "ONLINE"
    assert found["member", "two"] == "ERROR"
