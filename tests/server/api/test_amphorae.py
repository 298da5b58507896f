"""Amphorae, and failing over: what operators see and do. The traffic meanwhile: tests/journeys/test_failover.py."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

UNKNOWN = str(uuid.UUID(int=7))
AMPHORAE = "//v2.0/octavia/amphorae"


@pytest.fixture
def admin(api: Any) -> Any:
    return api.as_("admin")


def of(admin: Any, loadbalancer: Any) -> Any:
    [found] = admin.get(f"{AMPHORAE}?loadbalancer_id={loadbalancer['id']}")["amphorae"]
    return found


def test_every_load_balancer_has_one(api: Any, admin: Any) -> None:
    balancer = api.loadbalancer()
    found = of(admin, balancer)
    assert found == {
        "id": found["id"],
        "loadbalancer_id": balancer["id"],
        "compute_id": None,
        "lb_network_ip": None,
        "vrrp_ip": balancer["vip_address"],
        "ha_ip": balancer["vip_address"],
        "vrrp_port_id": balancer["vip_port_id"],
        "ha_port_id": balancer["vip_port_id"],
        "cert_expiration": None,
        "cert_busy": False,
        "role": "STANDALONE",
        "status": "ALLOCATED",
        "vrrp_interface": None,
        "vrrp_id": None,
        "vrrp_priority": None,
        "cached_zone": None,
        "created_at": found["created_at"],
        "updated_at": found["updated_at"],
        "image_id": None,
        "compute_flavor": None,
    }
    assert found["created_at"] >= balancer["created_at"]
    assert admin.get(f"{AMPHORAE}/{found['id']}") == {"amphora": found}
    assert admin.get(f"{AMPHORAE}/{found['id']}?fields=id")["amphora"] == {"id": found["id"]}
    assert "amphora_id" not in admin.get(f"/loadbalancers/{balancer['id']}")["loadbalancer"]
    api.delete(f"/loadbalancers/{balancer['id']}")
    assert admin.get(AMPHORAE) == {"amphorae": [], "amphorae_links": []}


@pytest.mark.parametrize("base", ["//v2/octavia", "//load-balancer/v2.0/octavia", "//load-balancer/v2/octavia"])
def test_paths(admin: Any, base: str) -> None:
    assert admin.get(f"{base}/amphorae")["amphorae"] == []


def test_it_shows_what_flavor_and_zone_say(api: Any, admin: Any) -> None:
    values = {"name": "f", "provider_name": "octavia", "flavor_data": json.dumps({"compute_flavor": "m1.small"})}
    profile = admin.post("/flavorprofiles", "flavorprofile", **values)
    flavor = admin.post("/flavors", "flavor", name="small", flavor_profile_id=profile["id"])
    values = {"name": "z", "provider_name": "octavia", "availability_zone_data": json.dumps({"compute_zone": "nova"})}
    profile = admin.post("/availabilityzoneprofiles", "availability_zone_profile", **values)
    values = {"name": "east", "availability_zone_profile_id": profile["id"]}
    admin.post("/availabilityzones", "availability_zone", **values)
    balancer = api.loadbalancer(flavor_id=flavor["id"], availability_zone="east")
    found = of(admin, balancer)
    assert (found["compute_flavor"], found["cached_zone"]) == ("m1.small", "nova")
    assert admin.get(f"{AMPHORAE}?cached_zone=nova&compute_flavor=m1.small")["amphorae"] == [found]


def test_lists_are_filtered_sorted_and_paged(api: Any, admin: Any) -> None:
    balancers = [api.loadbalancer() for _ in range(3)]
    ids = [of(admin, each)["id"] for each in balancers]

    def listed(query: str = "") -> list[str]:
        return [each["id"] for each in admin.get(f"{AMPHORAE}?{query}")["amphorae"]]

    assert listed() == ids
    assert listed(f"ha_ip={balancers[1]['vip_address']}&role=STANDALONE&status=ALLOCATED&cert_busy=false") == [ids[1]]
    assert listed("cert_busy=true") == listed("status=ERROR") == listed(f"compute_id={UNKNOWN}") == []
    assert listed("vrrp_id=1") == []
    assert listed("sort=id:desc") == sorted(ids, reverse=True)
    assert listed(f"limit=1&marker={ids[0]}") == [ids[1]]
    assert listed("sort=compute_id") == ids
    assert listed(f"sort=compute_id:desc&marker={ids[1]}") == [ids[2]]
    [link] = admin.get(f"{AMPHORAE}?limit=1")["amphorae_links"]
    assert link["href"].endswith(f"/v2.0/octavia/amphorae?limit=1&marker={ids[0]}")
    for query in ("bogus=1", "fault=x", f"marker={UNKNOWN}", "sort=bogus"):
        admin.fails("GET", f"{AMPHORAE}?{query}", None, 400)


def test_they_are_the_operators(api: Any, admin: Any) -> None:
    balancer = api.loadbalancer()
    path = f"{AMPHORAE}/{of(admin, balancer)['id']}"
    for method, where in (
        ("GET", AMPHORAE),
        ("GET", path),
        ("GET", f"{path}/stats"),
        ("PUT", f"{path}/config"),
        ("PUT", f"{path}/failover"),
        ("DELETE", path),
        ("PUT", f"/loadbalancers/{balancer['id']}/failover"),
    ):
        text = api.fails(method, where, None, 403)
        assert text == "Policy does not allow this request to be performed."


def test_none_by_that_id(admin: Any) -> None:
    path = f"{AMPHORAE}/{UNKNOWN}"
    for method, where in (
        ("GET", path),
        ("GET", f"{path}/stats"),
        ("PUT", f"{path}/config"),
        ("PUT", f"{path}/failover"),
        ("DELETE", path),
    ):
        assert admin.fails(method, where, None, 404) == f"Amphora {UNKNOWN} not found."
    text = admin.fails("PUT", f"/loadbalancers/{UNKNOWN}/failover", None, 404)
    assert text == f"Load Balancer {UNKNOWN} not found."
    admin.fails("GET", f"{AMPHORAE}/no%20uuid", None, 404)


def test_counters_by_listener(api: Any, admin: Any, store: Any) -> None:
    balancer = api.loadbalancer()
    amphora = of(admin, balancer)
    path = f"{AMPHORAE}/{amphora['id']}/stats"
    assert admin.fails("GET", path, None, 404) == f"Amphora stats for {amphora['id']} not found."
    first, second = api.listener(balancer), api.listener(balancer, protocol_port=81)
    counted = {
        "active_connections": 1,
        "bytes_in": 2,
        "bytes_out": 3,
        "request_errors": 4,
        "total_connections": 5,
    }
    store.counted(balancer["id"], {first["id"]: counted})
    owner = {"id": amphora["id"], "loadbalancer_id": balancer["id"]}
    assert admin.get(path)["amphora_stats"] == [
        {**counted, **owner, "listener_id": first["id"]},
        {**dict.fromkeys(counted, 0), **owner, "listener_id": second["id"]},
    ]


@pytest.mark.parametrize("is_of_amphora", [True, False])
def test_failing_over_makes_another(api: Any, admin: Any, is_of_amphora: bool) -> None:
    balancer = api.loadbalancer()
    before = of(admin, balancer)
    path = f"{AMPHORAE}/{before['id']}" if is_of_amphora else f"/loadbalancers/{balancer['id']}"
    result = admin.request("PUT", f"{path}/failover")
    assert (result.status_code, result.text) == (202, "")
    after = of(admin, balancer)
    assert after["id"] != before["id"]
    moving = {"id": "", "created_at": "", "updated_at": ""}
    assert {**after, **moving} == {**before, **moving}
    admin.fails("GET", f"{AMPHORAE}/{before['id']}", None, 404)
    shown = api.get(f"/loadbalancers/{balancer['id']}")["loadbalancer"]
    assert (shown["provisioning_status"], shown["updated_at"] >= balancer["created_at"]) == ("ACTIVE", True)


def test_the_load_balancer_is_busy_meanwhile(make_api: Callable[..., Any], store: Any) -> None:
    api = make_api(wake=lambda id_: None)
    admin = api.as_("admin")
    balancer = api.loadbalancer()
    assert of(admin, balancer)["status"] == "PENDING_CREATE"
    store.settle(store.snapshot(balancer["id"]), None)
    amphora = of(admin, balancer)
    path = f"/loadbalancers/{balancer['id']}"
    assert admin.request("PUT", f"{path}/failover").status_code == 202
    shown = api.get(path)["loadbalancer"]
    assert (shown["provisioning_status"], shown["operating_status"]) == ("PENDING_UPDATE", "OFFLINE")
    text = admin.fails("PUT", f"{path}/failover", None, 409)
    assert text == f"Invalid state PENDING_UPDATE of loadbalancer resource {balancer['id']}"
    text = admin.fails("PUT", f"{AMPHORAE}/{of(admin, balancer)['id']}/failover", None, 409)
    assert text == f"Load Balancer {balancer['id']} is immutable and cannot be updated."
    admin.fails("PUT", f"{AMPHORAE}/{amphora['id']}/failover", None, 404)


def test_a_broken_one_can_be_deleted_and_failed_over(make_api: Callable[..., Any], store: Any) -> None:
    woken: list[str] = []
    api = make_api(wake=woken.append)
    admin = api.as_("admin")
    balancer = api.loadbalancer()
    store.settle(store.snapshot(balancer["id"]), "the port is taken")
    broken = of(admin, balancer)
    assert broken["status"] == "ERROR"
    assert admin.get(f"{AMPHORAE}?status=ERROR")["amphorae"] == [broken]
    admin.delete(f"{AMPHORAE}/{broken['id']}")
    admin.fails("GET", f"{AMPHORAE}/{broken['id']}", None, 404)
    assert of(admin, balancer)["status"] == "ALLOCATED"
    store.settle(store.snapshot(balancer["id"]), "the port is taken")
    assert admin.request("PUT", f"/loadbalancers/{balancer['id']}/failover").status_code == 202
    assert woken == [balancer["id"]] * 3


def test_one_that_works_is_not_deleted(api: Any, admin: Any) -> None:
    amphora = of(admin, api.loadbalancer())
    text = admin.fails("DELETE", f"{AMPHORAE}/{amphora['id']}", None, 409)
    assert text == f"amphora {amphora['id']} is immutable and cannot be updated."
    assert admin.get(f"{AMPHORAE}/{amphora['id']}")["amphora"] == amphora


def test_configuring_has_another_look(make_api: Callable[..., Any], store: Any) -> None:
    woken: list[str] = []
    api = make_api(wake=woken.append)
    admin = api.as_("admin")
    balancer = api.loadbalancer()
    store.settle(store.snapshot(balancer["id"]), None)
    result = admin.request("PUT", f"{AMPHORAE}/{of(admin, balancer)['id']}/config")
    assert (result.status_code, result.text) == (202, "")
    assert woken == [balancer["id"]] * 2
    assert api.get(f"/loadbalancers/{balancer['id']}")["loadbalancer"]["provisioning_status"] == "ACTIVE"


def test_what_has_failed_can_be_mended_and_deleted(make_api: Callable[..., Any], store: Any) -> None:
    api = make_api(wake=lambda id_: None)
    balancer = api.loadbalancer()
    store.settle(store.snapshot(balancer["id"]), "the port is taken")
    path = f"/loadbalancers/{balancer['id']}"
    assert api.put(path, "loadbalancer", name="new")["provisioning_status"] == "PENDING_UPDATE"
    store.settle(store.snapshot(balancer["id"]), "the port is taken")
    api.delete(path)
    assert api.get(path)["loadbalancer"]["provisioning_status"] == "PENDING_DELETE"
