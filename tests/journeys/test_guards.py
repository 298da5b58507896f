"""Security groups, QoS policies and routers with the genuine openstack command."""

from __future__ import annotations

import json
from typing import Any


def shown(text: str) -> Any:
    return json.loads(text)


def test_a_load_balancer_has_a_group_and_a_policy(openstack: Any) -> None:
    web = shown(openstack("security", "group", "create", "web", "-f", "json"))["id"]
    rule = ("security", "group", "rule", "create", "web", "--protocol", "tcp", "--dst-port", "80:443")
    made = shown(openstack(*rule, "--remote-ip", "10.0.0.0/8", "-f", "json"))
    assert (made["port_range_min"], made["port_range_max"]) == (80, 443)
    assert len(shown(openstack("security", "group", "rule", "list", "web", "-f", "json"))) == 3
    assert {each["Name"] for each in shown(openstack("security", "group", "list", "-f", "json"))} == {"default", "web"}
    policy = shown(openstack("network", "qos", "policy", "create", "slow", "-f", "json"))["id"]
    limit = ("network", "qos", "rule", "create", "slow", "--type", "bandwidth-limit", "--max-kbps", "1000", "--egress")
    openstack(*limit)
    assert shown(openstack("network", "qos", "rule", "list", "slow", "-f", "json"))[0]["Max Kbps"] == 1000
    create = ("loadbalancer", "create", "--name", "lb", "--vip-subnet-id", "private-subnet", "-f", "json", "--wait")
    balancer = shown(openstack(*create, "--vip-sg-id", web, "--vip-qos-policy-id", "slow"))
    assert balancer["vip_sg_ids"] in (web, [web])  # as the one or the other plugin shows it
    assert balancer["vip_qos_policy_id"] == policy
    assert "in use" in openstack("security", "group", "delete", "web", status=1)
    openstack("loadbalancer", "unset", "--vip-sg-id", "--vip-qos-policy-id", "--wait", "lb")
    openstack("security", "group", "delete", "web")
    openstack("network", "qos", "policy", "delete", "slow")


def test_a_router_joins_a_subnet(openstack: Any) -> None:
    openstack("network", "create", "mine")
    openstack("subnet", "create", "--network", "mine", "--subnet-range", "10.9.0.0/24", "sub")
    openstack("router", "create", "r")
    openstack("router", "set", "--external-gateway", "public-net", "r")
    openstack("router", "add", "subnet", "r", "sub")
    known = shown(openstack("router", "show", "r", "-f", "json"))
    assert known["external_gateway_info"]["enable_snat"] is True
    assert [each["ip_address"] for each in known["interfaces_info"]] == ["10.9.0.1"]
    assert "still has ports" in openstack("router", "delete", "r", status=1)
    openstack("router", "remove", "subnet", "r", "sub")
    openstack("router", "delete", "r")
    openstack("network", "delete", "mine")
