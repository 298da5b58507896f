"""Quotas: how they are read and set, and that they hold, also for many requests at once."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from lbclient.server.loadbalancer import quotas

DEMO = "d" * 32
DEFAULTS = dict.fromkeys(
    (
        "loadbalancer",
        "load_balancer",
        "listener",
        "member",
        "pool",
        "healthmonitor",
        "health_monitor",
        "l7policy",
        "l7rule",
    ),
    -1,
)


def put(api: Any, **limits: Any) -> Any:
    result = api.as_("admin").request("PUT", f"/quotas/{DEMO}", {"quota": limits})
    assert result.status_code == 202, result.text
    return result.json["quota"]


def test_nothing_is_limited_until_somebody_says_so(api: Any) -> None:
    assert api.get(f"/quotas/{DEMO}")["quota"] == {"project_id": DEMO, "tenant_id": DEMO, **DEFAULTS}
    for path, name in (("/quotas/defaults", "defaults"), (f"/quotas/{DEMO}/default", DEMO)):
        assert api.get(path)["quota"] == {"project_id": name, "tenant_id": name, **DEFAULTS}
    assert api.get("/quotas") == {"quotas": [], "quotas_links": []}


def test_limits_are_kept_and_reset(api: Any) -> None:
    found = put(api, load_balancer=5, healthmonitor=2)
    assert (found["loadbalancer"], found["load_balancer"], found["health_monitor"]) == (5, 5, 2)
    assert put(api, health_monitor=None)["healthmonitor"] == -1
    assert [each["project_id"] for each in api.get("/quotas")["quotas"]] == [DEMO]
    assert api.as_("other").get("/quotas")["quotas"] == []
    result = api.as_("admin").request("DELETE", f"/quotas/{DEMO}")
    assert (result.status_code, result.text) == (202, "")
    assert api.get(f"/quotas/{DEMO}")["quota"]["loadbalancer"] == -1


@pytest.mark.parametrize("name", ["load_balancer", "loadbalancer", "health_monitor", "healthmonitor", "pool"])
def test_lists_are_sorted_and_filtered_by_either_name(api: Any, name: str) -> None:
    admin = api.as_("admin")
    for number, project in ((7, "e" * 32), (3, "f" * 32), (5, "a" * 32)):
        admin.request("PUT", f"/quotas/{project}", {"quota": {name: number}})

    def found(query: str) -> list[int]:
        return [each[name] for each in admin.get(f"/quotas?{query}")["quotas"]]

    assert found(f"sort={name}") == found(f"sort_key={name}&sort_dir=asc") == [3, 5, 7]
    assert found(f"sort={name}:desc,project_id") == [7, 5, 3]
    assert found(f"{name}=5") == [5]
    assert "health" in admin.fails("GET", "/quotas?sort=health", None, 400)


def test_only_administrators_set_them_and_foreign_ones_are_hidden(api: Any) -> None:
    assert "Policy" in api.fails("PUT", f"/quotas/{DEMO}", {"quota": {"pool": 1}}, 403)
    assert "Policy" in api.fails("DELETE", f"/quotas/{DEMO}", None, 403)
    assert "Policy" in api.as_("other").fails("GET", f"/quotas/{DEMO}", None, 403)


@pytest.mark.parametrize(
    "limits",
    [
        {"pool": -2},
        {"pool": 2000000001},
        {"pool": "x"},
        {"bogus": 1},
        {"project_id": "x"},
        {"load_balancer": 1, "loadbalancer": 2},
    ],
)
def test_limits_that_are_refused(api: Any, limits: dict[str, Any]) -> None:
    api.as_("admin").fails("PUT", f"/quotas/{DEMO}", {"quota": limits}, 400)


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("listener", "Listener"),
        ("pool", "Pool"),
        ("member", "Member"),
        ("healthmonitor", "Health Monitor"),
        ("l7policy", "L7 Policy"),
        ("l7rule", "L7 Rule"),
    ],
)
def test_each_kind_is_counted(api: Any, tree: SimpleNamespace, kind: str, title: str) -> None:
    other = api.pool(tree.loadbalancer)
    put(api, **{kind: 1 if kind != "pool" else 2})
    path, key, values = {
        "listener": (
            "/listeners",
            "listener",
            {"loadbalancer_id": tree.loadbalancer["id"], "protocol": "HTTP", "protocol_port": 81},
        ),
        "pool": (
            "/pools",
            "pool",
            {"loadbalancer_id": tree.loadbalancer["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
        ),
        "member": (f"/pools/{other['id']}/members", "member", {"address": "10.0.0.4", "protocol_port": 80}),
        "healthmonitor": (
            "/healthmonitors",
            "healthmonitor",
            {"pool_id": other["id"], "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3},
        ),
        "l7policy": ("/l7policies", "l7policy", {"listener_id": tree.listener["id"], "action": "REJECT"}),
        "l7rule": (
            f"/l7policies/{tree.l7policy['id']}/rules",
            "rule",
            {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"},
        ),
    }[kind]
    text = api.fails("POST", path, {key: values}, 403)
    assert text == f"Quota has been met for resources: {title}"
    put(api, **{kind: -1})
    api.post(path, key, **values)


def test_a_batch_of_members_is_counted_as_a_whole(api: Any, tree: SimpleNamespace) -> None:
    put(api, member=2)
    members = [{"address": "10.0.0.4", "protocol_port": port} for port in (80, 81, 82)]
    result = api.request("PUT", f"/pools/{tree.pool['id']}/members", {"members": members})
    assert result.status_code == 403
    assert len(api.get(f"/pools/{tree.pool['id']}/members")["members"]) == 1


def test_the_last_place_is_given_once(api: Any) -> None:
    put(api, loadbalancer=3)
    subnet = api.loadbalancer()["vip_subnet_id"]
    codes: list[int] = []

    def create() -> None:
        body = {"loadbalancer": {"vip_subnet_id": subnet}}
        codes.append(api.request("POST", "/loadbalancers", body).status_code)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(codes) == [201, 201] + [403] * 6


def test_what_is_usual_can_be_set(make_api: Any) -> None:
    """For projects that have no quota of their own, and for what theirs leaves open."""
    api = make_api(quotas={"loadbalancer": 1, "member": 2})
    assert (
        api.get("/quotas/defaults")["quota"] | {"load_balancer": 1, "member": 2} == api.get("/quotas/defaults")["quota"]
    )
    pool = api.pool(api.loadbalancer())
    body = {"loadbalancer": {"vip_subnet_id": api.subnets["private"]}}
    assert "Quota has been met" in api.fails("POST", "/loadbalancers", body, 403)
    batch = [{"address": f"10.0.0.{number}", "protocol_port": 80} for number in range(4, 7)]
    assert "Quota has been met" in api.fails("PUT", f"/pools/{pool['id']}/members", {"members": batch}, 403)
    assert api.request("PUT", f"/pools/{pool['id']}/members", {"members": batch[:2]}).status_code == 202
    # Two leave, and two come.
    others = [{"address": f"10.0.1.{number}", "protocol_port": 80} for number in range(4, 6)]
    assert api.request("PUT", f"/pools/{pool['id']}/members", {"members": others}).status_code == 202
    assert put(api, pool=5)["load_balancer"] == 1  # as before
    assert put(api, loadbalancer=2, member=None)["member"] == 2
    api.loadbalancer()
    assert put(api, loadbalancer=-1)["loadbalancer"] == -1
    api.loadbalancer()
    assert put(api, loadbalancer=None, pool=None)["loadbalancer"] == 1
    assert api.get("/quotas")["quotas"] == []


def test_many_of_a_kind_are_counted_once(make_api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    api = make_api(quotas={"member": 100})
    pool = api.pool(api.loadbalancer())
    counted: list[str] = []
    count = quotas.remaining

    def remaining(services: Any, tx: Any, resource: Any, project_id: str) -> Any:
        counted.append(resource.name)
        return count(services, tx, resource, project_id)

    monkeypatch.setattr(quotas, "remaining", remaining)
    batch = [{"address": f"10.0.0.{number}", "protocol_port": 80} for number in range(4, 54)]
    assert api.request("PUT", f"/pools/{pool['id']}/members", {"members": batch}).status_code == 202
    assert counted == ["member"]
