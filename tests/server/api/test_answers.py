"""Attributes and defaults in answers, as Octavia's server gives them."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from fake_dataplane import FakeDataPlane

WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
COMMON = {
    "id",
    "name",
    "provisioning_status",
    "operating_status",
    "admin_state_up",
    "project_id",
    "tenant_id",
    "created_at",
    "updated_at",
    "tags",
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "loadbalancer": {
        "description": "",
        "flavor_id": None,
        "vip_qos_policy_id": None,
        "vip_sg_ids": [],
        "additional_vips": [],
        "listeners": [],
        "pools": [],
        "provider": "octavia",
        "availability_zone": None,
        "vip_vnic_type": "normal",
    },
    "listener": {
        "description": "",
        "connection_limit": -1,
        "default_tls_container_ref": None,
        "sni_container_refs": [],
        "default_pool_id": None,
        "l7policies": [],
        "insert_headers": {},
        "timeout_client_data": 50000,
        "timeout_member_connect": 5000,
        "timeout_member_data": 50000,
        "timeout_tcp_inspect": 0,
        "client_ca_tls_container_ref": None,
        "client_authentication": "NONE",
        "client_crl_container_ref": None,
        "allowed_cidrs": None,
        "tls_ciphers": None,
        "tls_versions": None,
        "alpn_protocols": None,
        "hsts_max_age": None,
        "hsts_include_subdomains": False,
        "hsts_preload": False,
    },
    "pool": {
        "description": "",
        "session_persistence": None,
        "members": [],
        "tls_container_ref": None,
        "ca_tls_container_ref": None,
        "crl_container_ref": None,
        "tls_enabled": False,
        "tls_ciphers": None,
        "tls_versions": None,
        "alpn_protocols": None,
    },
    "member": {
        "weight": 1,
        "backup": False,
        "subnet_id": None,
        "monitor_address": None,
        "monitor_port": None,
        "vnic_type": "normal",
    },
    "healthmonitor": {
        "max_retries_down": 3,
        "http_method": "GET",
        "url_path": "/",
        "expected_codes": "200",
        "http_version": None,
        "domain_name": None,
    },
    "l7policy": {
        "description": "",
        "redirect_pool_id": None,
        "redirect_url": None,
        "redirect_prefix": None,
        "redirect_http_code": None,
        "position": 1,
        "rules": [],
    },
    "l7rule": {"key": None, "invert": False},
}
OTHERS = {
    "loadbalancer": {"vip_address", "vip_port_id", "vip_subnet_id", "vip_network_id"},
    "listener": {"protocol", "protocol_port", "loadbalancers"},
    "pool": {"protocol", "lb_algorithm", "loadbalancers", "listeners"},
    "member": {"address", "protocol_port"},
    "healthmonitor": {"type", "delay", "timeout", "max_retries", "pools"},
    "l7policy": {"action", "listener_id"},
    "l7rule": {"type", "compare_type", "value"},
}


@pytest.mark.parametrize("kind", DEFAULTS)
def test_create_answers_every_attribute_with_its_default(tree: SimpleNamespace, kind: str) -> None:
    answer = getattr(tree, kind)
    expected = COMMON | OTHERS[kind] | set(DEFAULTS[kind])
    if kind == "l7rule":
        expected -= {"name"}
    assert set(answer) == expected
    assert {name: answer[name] for name in DEFAULTS[kind]} == DEFAULTS[kind]
    assert answer["provisioning_status"] == "PENDING_CREATE"
    assert answer["operating_status"] == ("NO_MONITOR" if kind == "member" else "OFFLINE")
    assert WHEN.fullmatch(answer["created_at"])
    assert answer["updated_at"] is None
    assert answer["tenant_id"] == answer["project_id"]


@pytest.mark.parametrize("kind", DEFAULTS)
def test_show_answers_what_create_answered_and_is_active(api: Any, tree: SimpleNamespace, kind: str) -> None:
    key = "rule" if kind == "l7rule" else kind
    found = api.get(tree.paths[kind])[key]
    created = getattr(tree, kind)
    moving = {"provisioning_status", "updated_at", "listeners", "pools", "members", "l7policies", "rules"}
    moving |= {"default_pool_id", "operating_status", "healthmonitor_id"}
    assert {name: found[name] for name in found if name not in moving} == {
        name: created[name] for name in created if name not in moving
    }
    assert found["provisioning_status"] == "ACTIVE"
    assert created["created_at"] <= found["updated_at"]
    assert WHEN.fullmatch(found["updated_at"])


def test_what_belongs_together_is_named(api: Any, tree: SimpleNamespace) -> None:
    def ids(path: str, key: str, name: str) -> list[str]:
        return [each["id"] for each in api.get(path)[key][name]]

    assert ids(tree.paths["loadbalancer"], "loadbalancer", "listeners") == [tree.listener["id"]]
    assert ids(tree.paths["loadbalancer"], "loadbalancer", "pools") == [tree.pool["id"]]
    assert ids(tree.paths["listener"], "listener", "l7policies") == [tree.l7policy["id"]]
    assert ids(tree.paths["listener"], "listener", "loadbalancers") == [tree.loadbalancer["id"]]
    assert ids(tree.paths["pool"], "pool", "listeners") == [tree.listener["id"]]
    assert ids(tree.paths["pool"], "pool", "members") == [tree.member["id"]]
    assert ids(tree.paths["healthmonitor"], "healthmonitor", "pools") == [tree.pool["id"]]
    assert ids(tree.paths["l7policy"], "l7policy", "rules") == [tree.l7rule["id"]]
    assert api.get(tree.paths["pool"])["pool"]["healthmonitor_id"] == tree.healthmonitor["id"]
    assert api.get(tree.paths["listener"])["listener"]["default_pool_id"] == tree.pool["id"]


def test_the_status_tree(api: Any, tree: SimpleNamespace) -> None:
    status = api.get(tree.paths["loadbalancer"] + "/status")
    assert status == api.get(tree.paths["loadbalancer"] + "/statuses")
    loadbalancer = status["statuses"]["loadbalancer"]
    [listener] = loadbalancer["listeners"]
    [pool] = listener["pools"]
    [member] = pool["members"]
    assert set(loadbalancer) == {"id", "name", "operating_status", "provisioning_status", "listeners"}
    assert set(listener) == {"id", "name", "operating_status", "provisioning_status", "pools"}
    assert set(pool) == {"id", "name", "operating_status", "provisioning_status", "health_monitor", "members"}
    assert pool["health_monitor"]["type"] == "HTTP"
    assert (member["address"], member["protocol_port"]) == ("10.0.0.4", 80)


def test_counters_start_at_zero_and_are_those_that_were_kept(api: Any, tree: SimpleNamespace) -> None:
    zero = dict.fromkeys(("active_connections", "bytes_in", "bytes_out", "request_errors", "total_connections"), 0)
    assert api.get(tree.paths["listener"] + "/stats") == {"stats": zero}
    api.services.store.counted(tree.loadbalancer["id"], {tree.listener["id"]: {**zero, "bytes_in": 7}})
    assert api.get(tree.paths["listener"] + "/stats")["stats"]["bytes_in"] == 7
    assert api.get(tree.paths["loadbalancer"] + "/stats")["stats"]["bytes_in"] == 7


def test_versions(api: Any) -> None:
    result = api.request("GET", "//", headers={"X-Auth-Token": ""})
    versions = result.json["versions"]
    assert [version["id"] for version in versions] == [f"v2.{minor}" for minor in range(31)]
    assert [version["status"] for version in versions] == ["SUPPORTED"] * 30 + ["CURRENT"]
    for path in ("//v2", "//v2.0", "//v2.0/lbaas", "//load-balancer/v2.0"):
        assert api.request("GET", path).json == "v2"


@pytest.mark.parametrize(
    "prefix", ["//v2/lbaas", "//v2.0/lbaas", "//v2", "//v2.0", "//load-balancer/v2.0/lbaas", "//load-balancer/v2"]
)
def test_every_prefix_leads_to_the_same_objects(api: Any, tree: SimpleNamespace, prefix: str) -> None:
    assert api.get(f"{prefix}/loadbalancers")["loadbalancers"][0]["id"] == tree.loadbalancer["id"]
    assert api.get(f"{prefix}/pools/{tree.pool['id']}.json")["pool"]["name"] == "pool"


def test_every_answer_has_a_request_id_of_its_own(api: Any) -> None:
    given = "req-11111111-2222-3333-4444-555555555555"
    ids = {
        api.request("GET", "/loadbalancers", headers={"X-Openstack-Request-Id": given}).headers[
            "x-openstack-request-id"
        ]
        for _ in range(2)
    }
    assert len(ids) == 2
    assert given not in ids


def test_a_refusal_for_what_is_accepted_says_so_to_caches(api: Any) -> None:
    answer = api.request("GET", "/pools", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["Vary"]) == (406, "Accept")


def test_a_proxy_that_does_not_answer_is_logged_in_one_line(
    api: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    balancer = api.post("/loadbalancers", "loadbalancer", vip_subnet_id=next(iter(api.subnets.values())))
    pool = {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    pool_id = api.post("/pools", "pool", **pool)["id"]
    member = api.post(f"/pools/{pool_id}/members", "member", address="192.0.2.1", protocol_port=80)
    monkeypatch.setattr(FakeDataPlane, "active_connections", lambda *_: None)
    answer = api.request("GET", f"/pools/{pool_id}/members/{member['id']}/stats")
    assert answer.status_code == 503
    [record] = [each for each in caplog.records if each.name.startswith("lbclient")]
    assert (record.exc_info, record.levelname) == (None, "WARNING")
    assert record.getMessage().endswith(f"The proxy of load balancer {balancer['id']} does not answer.")


@pytest.mark.parametrize("accept", ["text/plain", "text/plain;version=0.0.4", "application/openmetrics-text", "*/*"])
def test_metrics_are_given_to_clients_that_want_text(api: Any, accept: str) -> None:
    answer = api.client.simulate_get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
