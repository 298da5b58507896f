"""A 409 names, beside Octavia's text, the change that keeps the load balancer busy."""

from __future__ import annotations

from typing import Any


def told(api: Any, method: str, path: str, body: Any = None) -> Any:
    result = api.request(method, path, body)
    assert result.status_code == 409, result.text
    return result.json["holder"]


def test_the_part_that_is_changed_is_named_and_since_when(make_api: Any) -> None:
    settling = make_api()
    loadbalancer = settling.loadbalancer(name="lb")
    pool = settling.pool(loadbalancer, name="servers", loadbalancer_id=loadbalancer["id"])
    member = settling.member(pool, name="one")
    frozen = make_api(wake=lambda _: None)
    path = f"/pools/{pool['id']}/members/{member['id']}"
    changed = frozen.put(path, "member", weight=3)
    assert told(frozen, "PUT", f"/loadbalancers/{loadbalancer['id']}", {"loadbalancer": {"name": "x"}}) == {
        "resource": "member",
        "id": member["id"],
        "name": "one",
        "provisioning_status": "PENDING_UPDATE",
        "since": changed["updated_at"],
    }


def test_what_is_made_or_deleted_with_its_parts_is_named_itself(make_api: Any) -> None:
    settling = make_api()
    loadbalancer = settling.loadbalancer(name="lb")
    listener = settling.listener(loadbalancer, name="web")
    policy = settling.l7policy(listener)
    settling.l7rule(policy)
    frozen = make_api(wake=lambda _: None)
    frozen.delete(f"/listeners/{listener['id']}")
    holder = told(frozen, "DELETE", f"/loadbalancers/{loadbalancer['id']}?cascade=true")
    assert (holder["resource"], holder["name"], holder["provisioning_status"]) == ("listener", "web", "PENDING_DELETE")


def test_a_load_balancer_can_hold_itself(make_api: Any) -> None:
    frozen = make_api(wake=lambda _: None)
    loadbalancer = frozen.loadbalancer(name="lb")
    holder = told(frozen, "PUT", f"/loadbalancers/{loadbalancer['id']}", {"loadbalancer": {"name": "x"}})
    assert (holder["resource"], holder["name"], holder["since"]) == ("loadbalancer", "lb", loadbalancer["created_at"])


def test_a_rule_without_a_name(make_api: Any) -> None:
    settling = make_api()
    loadbalancer = settling.loadbalancer()
    policy = settling.l7policy(settling.listener(loadbalancer))
    frozen = make_api(wake=lambda _: None)
    rule = frozen.l7rule(policy)
    holder = told(frozen, "DELETE", f"/loadbalancers/{loadbalancer['id']}?cascade=true")
    assert (holder["resource"], holder["id"], holder["name"]) == ("l7rule", rule["id"], "")
