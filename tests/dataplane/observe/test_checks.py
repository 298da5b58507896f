"""Results of checks in words, and the reasons of statuses."""

from __future__ import annotations

from typing import Any

import pytest
import trees

from lbclient.dataplane.observe.checks import checks, reasons
from lbclient.store.store import Check

TREE: dict[str, Any] = {
    "listeners": {"web": {"protocol": "HTTP", "protocol_port": 80, "default_pool": "pool"}},
    "pools": {
        "pool": {
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "healthmonitor": {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1},
            "members": {"one": {"address": "10.0.0.1", "protocol_port": 80}},
        }
    },
}
ONE = trees.identity("one")


def found(row: dict[str, str], change: dict[str, Any] | None = None) -> Check | None:
    rows = {(trees.identity("pool"), ONE): {"status": "UP", **row}}
    return checks(trees.snapshot(trees.merged(TREE, change or {})), rows).get(ONE)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"check_status": "L7OK", "check_desc": "Layer7 check passed", "check_code": "200"},
            "Layer7 check passed: 200",
        ),
        ({"check_status": "* L4CON", "check_desc": "No", "last_chk": "refused", "check_code": ""}, "No: refused"),
        ({"check_status": "L4TOUT", "check_desc": "Layer4 timeout"}, "Layer4 timeout"),
        (
            {"check_status": "L7STS", "check_desc": "Wrong", "last_chk": "Service Unavailable", "check_code": "503"},
            "Wrong: 503 Service Unavailable",
        ),
        (
            {"check_status": "L7STS", "check_desc": "Wrong", "last_chk": "got <503>", "check_code": "503"},
            "Wrong: got <503>",
        ),
        ({"check_status": "L4TOUT"}, "L4TOUT"),  # one who does not describe
        ({"check_status": ""}, None),
        ({"check_status": "INI", "check_desc": "Initializing"}, None),
    ],
)
def test_a_check_in_words(row: dict[str, str], expected: str | None) -> None:
    check = found(row)
    assert (check and check.reason) == expected
    assert check is None or check.status == row["check_status"].removeprefix("* ")


def test_pings_are_told_as_what_haproxy_was_told() -> None:
    ping = {"pools": {"pool": {"healthmonitor": {"type": "PING"}}}}
    assert found({"status": "DOWN"}, ping) == Check("DOWN", "No ping was answered.")
    assert found({"status": "UP"}, ping) == Check("UP", "A ping was answered.")


def test_a_disabled_member_and_one_that_is_not_reported_have_none() -> None:
    disabled = {"pools": {"pool": {"members": {"one": {"admin_state_up": False}}}}}
    assert found({"check_status": "L4OK"}, disabled) is None
    assert checks(trees.snapshot(TREE), {}) == {}
    rows = {(trees.identity("pool"), ONE): {"status": "UP", "check_status": "INI"}}
    assert checks(trees.snapshot(TREE), rows) == {ONE: None}  # this worker has found nothing yet: the last one's stays
    assert checks(trees.snapshot(trees.merged(TREE, disabled)), rows) == {}


def test_reasons() -> None:
    snapshot = trees.snapshot(TREE)
    balancer, pool, web, one = (
        ("loadbalancer", trees.identity("lb")),
        ("pool", trees.identity("pool")),
        ("listener", trees.identity("web")),
        ("member", ONE),
    )
    down = dict.fromkeys((balancer, pool, one), "ERROR")
    told = reasons(snapshot, {ONE: Check("L4CON", "refused")}, down, None)
    assert told == {one: "refused", pool: "No member is up.", balancer: f"Pool {pool[1]}: no member is up."}
    silent = {balancer: "ERROR", web: "ERROR", pool: "OFFLINE"}
    assert reasons(snapshot, {}, silent, None) == {balancer: "HAProxy does not answer."}
    assert reasons(snapshot, {}, silent, "The port is taken.") == dict.fromkeys((balancer, web), "The port is taken.")
    assert reasons(snapshot, {}, {balancer: "ONLINE", web: "ONLINE"}, None) == {}
