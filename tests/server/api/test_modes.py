"""Without authentication, without a network, without traffic: each by itself, through the front door."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from lbclient.server.loadbalancer import drivers

PROJECT, OTHER = "6a1f6d7e1c0b4a2f9b6b0d5a3c2e1f00", "7" * 32
SUBNET = "e353ba24-cb8e-496f-9904-f90fc941c707"
ADDRESS = "198.51.100.1"


class Open:
    """Requests to an API that believes its headers."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.api.request(method, path, body, headers={"X-Auth-Token": "", **named})

    def created(self, values: dict[str, Any], **headers: str) -> Any:
        answer = self.ask("POST", "/loadbalancers", {"loadbalancer": values}, **headers)
        assert answer.status_code == 201, answer.text
        return answer.json["loadbalancer"]


@pytest.fixture
def api(make_api: Any) -> Open:
    return Open(make_api(auth="noauth", network="noop", default_provider="noop_driver"))


def test_who_names_nobody_is_an_administrator(api: Open) -> None:
    made = api.created({"vip_subnet_id": SUBNET, "project_id": PROJECT})
    assert made["project_id"] == made["tenant_id"] == PROJECT
    assert len(api.ask("GET", "/loadbalancers").json["loadbalancers"]) == 1
    assert len(api.ask("GET", "/loadbalancers", X_Project_Id=OTHER).json["loadbalancers"]) == 1


def test_without_a_project_a_load_balancer_has_to_name_one(api: Open) -> None:
    answer = api.ask("POST", "/loadbalancers", {"loadbalancer": {"name": "x", "vip_subnet_id": SUBNET}})
    assert answer.status_code == 400
    assert answer.json["faultstring"] == (
        "Validation failure: Missing project ID in request where one is required. "
        "An administrator should check the keystone settings in the Octavia configuration."
    )


def test_the_headers_say_who_it_is(api: Open) -> None:
    member = {"X_Project_Id": PROJECT, "X_Roles": "member, reader", "X_User_Id": "somebody"}
    made = api.created({"vip_subnet_id": SUBNET}, **member)
    assert made["project_id"] == PROJECT
    stranger = {"X_Project_Id": OTHER, "X_Roles": "member"}
    assert api.ask("GET", f"/loadbalancers/{made['id']}", **stranger).status_code == 403
    assert api.ask("GET", f"/loadbalancers/{made['id']}", X_Project_Id=PROJECT, X_Roles="none").status_code == 403
    body = {"loadbalancer": {"vip_subnet_id": SUBNET, "project_id": OTHER}}
    assert api.ask("POST", "/loadbalancers", body, **member).status_code == 403
    assert api.ask("GET", "//v2.0/octavia/amphorae", **member).status_code == 403


@pytest.mark.parametrize("project", ["x" * 37, "a\x7fb"])
def test_a_project_that_cannot_be_one(api: Open, project: str) -> None:
    assert api.ask("GET", "/loadbalancers", X_Project_Id=project).status_code == 400


def test_quotas_are_kept_but_not_enforced(api: Open) -> None:
    assert api.ask("PUT", f"/quotas/{PROJECT}", {"quota": {"load_balancer": 0}}).json["quota"]["loadbalancer"] == 0
    api.created({"vip_subnet_id": SUBNET, "project_id": PROJECT})


def test_the_services_beside_it_believe_the_headers_too(api: Open) -> None:
    assert api.api.request("GET", "//networking/v2.0/networks", headers={"X-Auth-Token": ""}).status_code == 200
    assert api.api.request("GET", "//identity/v3/projects", headers={"X-Auth-Token": ""}).status_code == 200


def test_any_id_exists_in_a_network_that_is_none(api: Open) -> None:
    owned = {"project_id": PROJECT}
    made = api.created({**owned, "vip_subnet_id": SUBNET, "vip_address": "10.0.0.9"})
    assert (made["vip_address"], made["vip_subnet_id"], made["vip_network_id"]) == ("10.0.0.9", SUBNET, None)
    assert uuid.UUID(made["vip_port_id"])
    for given in ("vip_port_id", "vip_network_id", "vip_subnet_id"):
        one, two = (api.created({**owned, given: SUBNET}) for _ in range(2))
        assert one[given] == SUBNET
        assert (one["vip_address"], one["vip_subnet_id"]) == (ADDRESS, two["vip_subnet_id"])
    named = {"vip_qos_policy_id": str(uuid.uuid4()), "vip_sg_ids": [str(uuid.uuid4())]}
    more = [{"subnet_id": str(uuid.uuid4()), "ip_address": "10.1.0.9"}]
    made = api.created({**owned, **named, "vip_subnet_id": SUBNET, "additional_vips": more})
    assert {name: made[name] for name in named} == named
    assert [each["ip_address"] for each in made["additional_vips"]] == ["10.1.0.9"]
    assert made["additional_vips"][0]["port_id"] != made["vip_port_id"]
    answer = api.ask("POST", "/loadbalancers", {"loadbalancer": {**owned, "name": "nowhere"}})
    assert answer.json["faultstring"].endswith("VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.")


def test_allowed_cidrs_and_security_groups_exclude_each_other(api: Open) -> None:
    made = api.created({"project_id": PROJECT, "vip_subnet_id": SUBNET, "vip_sg_ids": [SUBNET]})
    listener = {"loadbalancer_id": made["id"], "protocol": "TCP", "protocol_port": 80, "allowed_cidrs": ["10.0.0.0/8"]}
    answer = api.ask("POST", "/listeners", {"listener": listener})
    assert answer.status_code == 400
    assert "Allowed CIDRs are not allowed when using custom VIP Security Groups." in answer.text


def test_what_carries_no_traffic_takes_everything(api: Open) -> None:
    made = api.created({"project_id": PROJECT, "vip_subnet_id": SUBNET})
    assert made["provider"] == "noop_driver"
    pool = {"loadbalancer_id": made["id"], "protocol": "SCTP", "lb_algorithm": "SOURCE_IP_PORT"}
    assert api.ask("POST", "/pools", {"pool": pool}).status_code == 201
    carried = api.created({"project_id": PROJECT, "vip_subnet_id": SUBNET, "provider": "octavia"})
    refused = api.ask("POST", "/pools", {"pool": {**pool, "loadbalancer_id": carried["id"]}})
    assert refused.status_code == 501
    amphorae = api.ask("GET", "//v2.0/octavia/amphorae").json["amphorae"]
    assert [each["loadbalancer_id"] for each in amphorae] == [carried["id"]]
    assert api.ask("PUT", f"/loadbalancers/{made['id']}/failover").status_code == 202
    assert len(api.ask("GET", "//v2.0/octavia/amphorae").json["amphorae"]) == 1


def test_what_carries_no_traffic_can_be_told_anything(api: Open) -> None:
    data = '{"loadbalancer_topology": "ACTIVE_STANDBY", "bogus": 1}'
    for provider, status in (("noop_driver", 201), ("octavia", 501)):
        profile = {"name": provider, "provider_name": provider, "flavor_data": data}
        assert api.ask("POST", "/flavorprofiles", {"flavorprofile": profile}).status_code == status
    found = api.ask("GET", "/providers/noop_driver/flavor_capabilities").json["flavor_capabilities"]
    assert [each["name"] for each in found] == ["amp_image_tag"]


def test_providers_are_what_is_configured(make_api: Any) -> None:
    options = {"auth": "noauth", "network": "noop"}
    enabled = drivers.read("ovn=noop_driver:Stands in for OVN.,amphora")
    one = Open(make_api(**options, providers=enabled, default_provider="ovn"))
    assert one.ask("GET", "/providers").json["providers"] == [
        {"name": "ovn", "description": "Stands in for OVN."},
        {"name": "amphora", "description": "Another name of octavia."},
    ]
    made = one.created({"project_id": PROJECT, "vip_subnet_id": SUBNET})
    assert made["provider"] == "ovn"
    values = {"project_id": PROJECT, "vip_subnet_id": SUBNET, "provider": "octavia"}
    answer = one.ask("POST", "/loadbalancers", {"loadbalancer": values})
    assert (answer.status_code, answer.json["faultstring"]) == (400, "Provider 'octavia' is not enabled.")
    later = Open(make_api(**options, providers=drivers.read("amphora"), default_provider="amphora"))
    path = f"/loadbalancers/{made['id']}"
    answer = later.ask("PUT", path, {"loadbalancer": {"name": "x"}})
    assert (answer.status_code, answer.json["faultstring"]) == (400, "Provider 'ovn' is not enabled.")
    assert later.ask("DELETE", path).status_code == 204


@pytest.mark.parametrize(("is_allowed", "data"), [(True, '{"allow_member_sriov": true}'), (False, "{}")])
def test_members_get_sriov_ports_where_the_flavor_says_so(api: Open, is_allowed: bool, data: str) -> None:
    profile = {"name": "fast", "provider_name": "noop_driver", "flavor_data": data}
    profile_id = api.ask("POST", "/flavorprofiles", {"flavorprofile": profile}).json["flavorprofile"]["id"]
    flavor = {"name": "fast", "flavor_profile_id": profile_id}
    flavor_id = api.ask("POST", "/flavors", {"flavor": flavor}).json["flavor"]["id"]
    made = api.created({"project_id": PROJECT, "vip_subnet_id": SUBNET, "flavor_id": flavor_id})
    plain = api.created({"project_id": PROJECT, "vip_subnet_id": SUBNET})
    for loadbalancer, is_taken in ((made, is_allowed), (plain, False)):
        pool = {"loadbalancer_id": loadbalancer["id"], "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}
        path = f"/pools/{api.ask('POST', '/pools', {'pool': pool}).json['pool']['id']}/members"
        wanted = {"address": "10.0.0.4", "protocol_port": 80, "request_sriov": True}
        answer = api.ask("POST", path, {"member": wanted})
        batch = api.ask("PUT", path, {"members": [{**wanted, "protocol_port": 81}]})
        if is_taken:
            assert (answer.status_code, answer.json["member"]["vnic_type"]) == (201, "direct")
            assert [each["vnic_type"] for each in api.ask("GET", path).json["members"]] == ["direct"]
            api.ask("POST", path, {"member": {**wanted, "protocol_port": 82, "request_sriov": False}})
            assert [each["vnic_type"] for each in api.ask("GET", path).json["members"]] == ["direct", "normal"]
        else:
            assert (answer.status_code, batch.status_code) == (400, 400)
            assert answer.json["faultstring"] == "The load balancer flavor does not allow SR-IOV member ports."


def test_vips_have_sriov_ports_where_the_flavor_says_so(api: Open) -> None:
    profile = {"name": "fast", "provider_name": "noop_driver", "flavor_data": '{"sriov_vip": true}'}
    profile_id = api.ask("POST", "/flavorprofiles", {"flavorprofile": profile}).json["flavorprofile"]["id"]
    flavor = {"name": "fast", "flavor_profile_id": profile_id}
    flavor_id = api.ask("POST", "/flavors", {"flavor": flavor}).json["flavor"]["id"]
    made = api.created({"project_id": PROJECT, "vip_subnet_id": SUBNET, "flavor_id": flavor_id})
    assert made["vip_vnic_type"] == "direct"
