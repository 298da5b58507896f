"""The genuine openstack command, with what stands beside the load-balancer API."""

from __future__ import annotations

import json
from typing import Any


def value(name: str) -> tuple[str, ...]:
    return "-f", "value", "-c", name


def test_a_floating_ip_is_set_on_a_vip(openstack: Any) -> None:
    assert openstack("token", "issue", *value("id"))
    subnet = openstack("subnet", "list", "--name", "private-subnet", *value("ID"))
    vip = json.loads(
        openstack("loadbalancer", "create", "--vip-subnet-id", subnet, "--name", "lb", "--wait", "-f", "json")
    )
    address = openstack("floating", "ip", "create", "public-net", *value("floating_ip_address"))
    openstack("floating", "ip", "set", "--port", vip["vip_port_id"], address)
    listed = json.loads(openstack("floating", "ip", "list", "-f", "json"))
    columns = [(each["Floating IP Address"], each["Fixed IP Address"], each["Port"]) for each in listed]
    assert columns == [(address, vip["vip_address"], vip["vip_port_id"])]
    assert "has device owner Octavia" in openstack("port", "delete", vip["vip_port_id"], status=1)
    openstack("floating", "ip", "unset", "--port", address)
    assert openstack("floating", "ip", "show", address, *value("status")) == "DOWN"
    openstack("floating", "ip", "delete", address)
    assert openstack("floating", "ip", "list", *value("ID")) == ""


def test_a_project_makes_its_own_network(openstack: Any) -> None:
    openstack("network", "create", "mine")
    openstack("subnet", "create", "--network", "mine", "--subnet-range", "10.9.0.0/24", "--gateway", "none", "sub")
    openstack("port", "create", "--network", "mine", "--fixed-ip", "ip-address=10.9.0.7", "port")
    assert json.loads(openstack("port", "show", "port", "-f", "json"))["fixed_ips"][0]["ip_address"] == "10.9.0.7"
    assert "still in use" in openstack("network", "delete", "mine", status=1)
    openstack("port", "delete", "port")
    openstack("subnet", "delete", "sub")
    openstack("network", "set", "--name", "ours", "--tag", "red", "mine")
    assert openstack("network", "list", "--tags", "red", *value("Name")) == "ours"
    openstack("network", "delete", "ours")
    assert "No Network found for ours" in openstack("network", "show", "ours", status=1)


def test_an_admin_keeps_users(openstack: Any, server: Any) -> None:
    admin = "lbclient-admin"
    openstack("project", "create", "shop", cloud=admin)
    openstack("user", "create", "--project", "shop", "--password", "secret", "ann", cloud=admin)
    openstack("role", "add", "--user", "ann", "--project", "shop", "member", cloud=admin)
    shown = openstack("role", "assignment", "list", "--user", "ann", "--names", *value("Project"), cloud=admin)
    assert shown == "shop@Default"
    assert openstack("project", "list", *value("Name")) == "demo"  # one's own, for who is no admin
    openstack("user", "list", status=1)
    assert (
        openstack("endpoint", "list", "--service", "load-balancer", *value("URL"), cloud=admin).splitlines()
        == [f"{server.url}/load-balancer"] * 3
    )
    openstack("user", "set", "--disable", "ann", cloud=admin)
    openstack("user", "delete", "ann", cloud=admin)
    openstack("project", "delete", "shop", cloud=admin)
