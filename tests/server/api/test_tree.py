"""A whole load balancer in one request."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from lbclient.store.tables import TABLES

POOL = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}


def whole() -> dict[str, Any]:
    return {
        "name": "whole",
        "pools": [
            {
                **POOL,
                "members": [{"address": "10.0.0.4", "protocol_port": 80}, {"address": "10.0.0.6", "protocol_port": 80}],
                "healthmonitor": {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3},
            }
        ],
        "listeners": [
            {
                "protocol": "HTTP",
                "protocol_port": 80,
                "default_pool": {"name": "p"},
                "l7policies": [
                    {
                        "action": "REDIRECT_TO_POOL",
                        "redirect_pool": {**POOL, "name": "shop"},
                        "rules": [{"type": "PATH", "compare_type": "STARTS_WITH", "value": "/shop"}],
                    },
                    {"action": "REJECT"},
                ],
            },
            {"protocol": "TCP", "protocol_port": 81, "default_pool": {**POOL, "name": "tcp", "protocol": "TCP"}},
        ],
    }


def test_all_parts_are_made_and_answered_in_full(api: Any, store: Any) -> None:
    found = api.loadbalancer(**whole())
    assert [pool["name"] for pool in found["pools"]] == ["p", "shop", "tcp"]
    http, tcp = found["listeners"]
    assert http["default_pool_id"] == found["pools"][0]["id"]
    assert [policy["position"] for policy in http["l7policies"]] == [1, 2]
    assert http["l7policies"][0]["rules"][0]["value"] == "/shop"
    assert http["l7policies"][0]["redirect_pool_id"] == found["pools"][1]["id"]
    assert tcp["default_pool_id"] == found["pools"][2]["id"]
    assert len(found["pools"][0]["members"]) == 2
    assert found["pools"][0]["healthmonitor"]["type"] == "HTTP"
    kinds = [found, http, tcp, *found["pools"], *found["pools"][0]["members"], http["l7policies"][0]["rules"][0]]
    assert {each["provisioning_status"] for each in kinds} == {"PENDING_CREATE"}
    status = api.get(f"/loadbalancers/{found['id']}/status")["statuses"]["loadbalancer"]
    assert status["provisioning_status"] == "ACTIVE"
    snapshot = store.snapshot(found["id"])
    assert set(snapshot.seen) == {("loadbalancer", found["id"])}


def test_thousands_of_members_come_and_go_whole(api: Any, store: Any) -> None:
    """They are settled together instead of one by one."""
    members = [{"address": f"10.1.{n >> 8}.{n & 255}", "protocol_port": 80, "name": f"m{n}"} for n in range(600)]
    members[0] |= {"backup": True, "tags": ["a", "ü"], "monitor_address": "10.2.0.1", "weight": 0, "monitor_port": 1}
    found = api.loadbalancer(pools=[{**POOL, "members": members}])
    [pool] = found["pools"]
    assert [each["name"] for each in pool["members"]] == [each["name"] for each in members]
    assert {each["provisioning_status"] for each in pool["members"]} == {"PENDING_CREATE"}
    settled = api.get(f"/pools/{pool['id']}/members")["members"]
    changing = ("provisioning_status", "operating_status", "updated_at")
    assert [{**each, **dict.fromkeys(changing)} for each in pool["members"]] == [
        {**each, **dict.fromkeys(changing)} for each in settled
    ]
    assert list(pool["members"][0]) == list(settled[0])
    assert [each["id"] for each in settled] == [each["id"] for each in pool["members"]]
    assert {(each["provisioning_status"], each["operating_status"]) for each in settled} == {("ACTIVE", "NO_MONITOR")}
    first, last = (store.snapshot(found["id"]).members[pool["id"]][place] for place in (0, -1))
    assert (first.updated_at is not None, last.project_id) == (True, found["project_id"])
    assert api.request("DELETE", f"/loadbalancers/{found['id']}?cascade=true").status_code == 204
    assert store.snapshot(found["id"]) is None
    with store.reading() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(TABLES["member"])) == 0


@pytest.mark.parametrize(
    ("member", "status", "words"),
    [
        ({"address": "10.1.0.0", "protocol_port": 80}, 409, "already using ip 10.1.0.0"),
        ({"address": "10.1.1.300", "protocol_port": 80}, 400, "10.1.1.300"),
        ({"address": "169.254.169.254", "protocol_port": 80}, 400, "reserved"),
        ({"address": "10.1.9.9", "protocol_port": 80, "pool_id": "x"}, 400, "pool_id"),
    ],
)
@pytest.mark.parametrize("count", [50, 700])
def test_one_wrong_member_of_many_and_nothing_is_made(
    api: Any, store: Any, count: int, member: Any, status: int, words: str
) -> None:
    members = [{"address": f"10.1.{n >> 8}.{n & 255}", "protocol_port": 80} for n in range(count)]
    members.insert(count - 10, member)
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": {**POOL, "members": members}}
    body = {"loadbalancer": {"vip_subnet_id": api.loadbalancer()["vip_subnet_id"], "listeners": [listener]}}
    assert words in str(api.fails("POST", "/loadbalancers", body, status))
    assert len(api.get("/loadbalancers")["loadbalancers"]) == 1
    assert api.get("/pools")["pools"] == []
    assert stored_members(store) == 0


def stored_members(store: Any) -> int:
    with store.reading() as tx:
        return int(tx.scalar(sa.select(sa.func.count()).select_from(TABLES["member"])))


def many(count: int) -> list[dict[str, Any]]:
    return [{"address": f"10.1.{n >> 8}.{n & 255}", "protocol_port": 80} for n in range(count)]


@pytest.mark.parametrize(
    ("values", "status", "words"),
    [
        ({"listeners": [{"protocol": "HTTP", "protocol_port": 80, "connection_limit": -2}]}, 400, "connection_limit"),
        ({"provider": "unknown"}, 400, "unknown"),
        ({"project_id": "e" * 32}, 403, "Policy does not allow"),
        ({"vip_subnet_id": "00000000-0000-4000-8000-000000000000"}, 400, "Subnet"),
        ({"pools": [{**POOL, "members": [{**each, "subnet_id": "0" * 8} for each in many(600)]}]}, 400, "subnet_id"),
    ],
)
def test_another_wrong_part_beside_many_members(
    api: Any, store: Any, values: dict[str, Any], status: int, words: str
) -> None:
    body = {"vip_subnet_id": api.loadbalancer()["vip_subnet_id"], "pools": [{**POOL, "members": many(600)}], **values}
    assert words in str(api.fails("POST", "/loadbalancers", {"loadbalancer": body}, status))
    assert len(api.get("/loadbalancers")["loadbalancers"]) == 1
    assert stored_members(store) == 0


def test_many_members_count_towards_the_quota(api: Any, store: Any) -> None:
    subnet = api.loadbalancer()["vip_subnet_id"]
    assert api.as_("admin").request("PUT", f"/quotas/{'d' * 32}", {"quota": {"member": 650}}).status_code == 202
    pools: list[dict[str, Any]] = [
        {**POOL, "name": name, "members": many(count)} for name, count in (("a", 600), ("b", 51))
    ]
    body = {"loadbalancer": {"vip_subnet_id": subnet, "pools": pools}}
    assert "Member" in api.fails("POST", "/loadbalancers", body, 403)
    assert stored_members(store) == 0
    pools[1]["members"].pop()
    assert len(api.loadbalancer(pools=pools)["pools"][1]["members"]) == 50
    assert stored_members(store) == 650
    body["loadbalancer"]["pools"] = [{**POOL, "members": many(600)}]
    assert "Member" in api.fails("POST", "/loadbalancers", body, 403)
    assert stored_members(store) == 650


def test_the_history_has_the_last_of_many_members(api: Any) -> None:
    found = api.loadbalancer(pools=[{**POOL, "members": many(600)}])
    events = api.get(f"/loadbalancers/{found['id']}/events")["events"]
    members = [each for each in events if each["resource"] == "member"]
    ids = [each["id"] for each in found["pools"][0]["members"]]
    assert {each["resource_id"] for each in members} <= set(ids[-200:])
    assert len(members) > 190
    assert members[0]["attributes"]["protocol_port"] == "80"


def test_policies_are_in_the_order_of_their_positions(api: Any) -> None:
    """Those without a position come last, as they would one by one."""
    given = [("a", None), ("b", 1), ("c", None), ("d", 2), ("e", 9), ("f", None)]
    policies = [{"action": "REJECT", "name": name, "position": position} for name, position in given]
    listener = {"protocol": "HTTP", "protocol_port": 80}
    found = api.loadbalancer(listeners=[{**listener, "l7policies": policies}])
    [at_once] = found["listeners"]
    one_by_one = api.post("/listeners", "listener", loadbalancer_id=found["id"], **{**listener, "protocol_port": 81})
    for name, position in given:
        values = {} if position is None else {"position": position}
        api.post("/l7policies", "l7policy", listener_id=one_by_one["id"], action="REJECT", name=name, **values)
    orders = []
    for each in (at_once, one_by_one):
        answer = api.get(f"/l7policies?listener_id={each['id']}&sort_key=position")["l7policies"]
        orders.append([(policy["name"], policy["position"]) for policy in answer])
    assert orders[0] == orders[1]
    assert [position for _, position in orders[0]] == [1, 2, 3, 4, 5, 6]


def at(tree: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The tree with a value at a place like listeners.0.protocol."""
    *way, last = path.split(".")
    place: Any = tree
    for step in way:
        place = place[int(step) if step.isdecimal() else step]
    place[last] = value
    return tree


@pytest.mark.parametrize(
    ("path", "value", "status"),
    [
        ("listeners.0.default_pool", {"name": "unknown"}, 400),
        ("listeners.0.default_pool", 7, 400),
        ("listeners.0.protocol", "BAD", 400),
        ("listeners.1.protocol_port", 80, 409),
        ("listeners.0.bogus", 1, 400),
        ("listeners.0.l7policies.0.rules", [{"type": "PATH", "compare_type": "REGEX", "value": "("}], 400),
        ("listeners.1.default_pool", {**POOL, "name": "p"}, 400),
        ("listeners", 7, 400),
        ("listeners", [7], 400),
        ("pools.0.name", "", 400),
        ("pools.0.name", [1], 400),
        ("listeners.0.default_pool", POOL | {"name": ""}, 400),
        ("listeners.0.l7policies.1.redirect_pool_id", "99999999-9999-4999-8999-999999999999", 400),
        ("pools.0.members", [{"address": "10.0.0.4", "protocol_port": 80}] * 2, 409),
        ("pools.0.healthmonitor", [], 400),
        ("listeners.0.l7policies.0.rules", [{"type": "PATH", "compare_type": "REGEX", "value": r"\u0041"}], 400),
    ],
)
def test_one_wrong_part_and_nothing_is_made(api: Any, path: str, value: Any, status: int) -> None:
    subnet = api.loadbalancer()["vip_subnet_id"]
    body = {"loadbalancer": {**at(whole(), path, value), "vip_subnet_id": subnet}}
    api.fails("POST", "/loadbalancers", body, status)
    assert len(api.get("/loadbalancers")["loadbalancers"]) == 1
    for collection in ("listeners", "pools", "l7policies", "healthmonitors"):
        assert api.get(f"/{collection}")[collection] == []


def test_pools_of_which_several_have_no_name(api: Any) -> None:
    subnet = api.loadbalancer()["vip_subnet_id"]
    pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    refused = api.fails(
        "POST", "/loadbalancers", {"loadbalancer": {"vip_subnet_id": subnet, "pools": [pool, pool]}}, 400
    )
    assert "several have none" in str(refused)


def test_every_part_counts_towards_the_quota(api: Any) -> None:
    subnet = api.loadbalancer()["vip_subnet_id"]
    quota = {"quota": {"pool": 2}}
    assert api.as_("admin").request("PUT", f"/quotas/{'d' * 32}", quota).status_code == 202
    body = {"loadbalancer": {**whole(), "vip_subnet_id": subnet}}
    assert "Pool" in api.fails("POST", "/loadbalancers", body, 403)
