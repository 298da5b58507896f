"""Addresses are answered as they were sent, and are the same address in every spelling."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

LONG, SHORT, CAPITALS = "2001:db8:0:0:0:0:0:1", "2001:db8::1", "2001:DB8::0001"
SPELLINGS = (LONG, SHORT, CAPITALS)


@pytest.mark.parametrize("spelling", [*SPELLINGS, "::ffff:10.0.0.1", "10.0.0.99"])
def test_a_members_addresses_are_answered_as_they_were_sent(api: Any, tree: SimpleNamespace, spelling: str) -> None:
    made = api.member(tree.pool, address=spelling, monitor_address=spelling)
    path = f"{tree.paths['pool']}/members"
    for shown in (made, api.get(f"{path}/{made['id']}")["member"], api.get(path)["members"][-1]):
        assert (shown["address"], shown["monitor_address"]) == (spelling, spelling)
    pools = api.get(f"{tree.paths['loadbalancer']}/status")["statuses"]["loadbalancer"]["listeners"][0]["pools"]
    assert pools[0]["members"][-1]["address"] == spelling
    changed = api.put(f"{path}/{made['id']}", "member", monitor_address=LONG)
    assert (changed["address"], changed["monitor_address"]) == (spelling, LONG)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_member_is_found_by_any_spelling(api: Any, tree: SimpleNamespace, spelling: str) -> None:
    made = api.member(tree.pool, address=CAPITALS, monitor_address=LONG)
    for name in ("address", "monitor_address"):
        found = api.get(f"{tree.paths['pool']}/members?{name}={quote(spelling)}")["members"]
        assert [each["id"] for each in found] == [made["id"]]
    assert api.get(f"{tree.paths['pool']}/members?address=2001:db8::2")["members"] == []
    assert api.get(f"{tree.paths['pool']}/members?address=nonsense")["members"] == []


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_pool_has_an_address_once_in_whatever_spelling(api: Any, tree: SimpleNamespace, spelling: str) -> None:
    api.member(tree.pool, address=LONG)
    body = {"member": {"address": spelling, "protocol_port": 80}}
    assert f"is already using ip {spelling} on" in api.fails("POST", f"{tree.paths['pool']}/members", body, 409)


def test_a_batch_knows_its_members_by_any_spelling(api: Any, tree: SimpleNamespace) -> None:
    made = api.member(tree.pool, address=LONG)
    path = f"{tree.paths['pool']}/members"
    for spelling, weight in ((SHORT, 1), (CAPITALS, 7)):
        body = {"members": [{"address": spelling, "protocol_port": 80, "weight": weight}]}
        assert api.request("PUT", path, body).status_code == 202
        (member,) = api.get(path)["members"]
        assert (member["id"], member["address"], member["weight"]) == (made["id"], LONG, weight)
    body = {"members": [{"address": each, "protocol_port": 81} for each in (SHORT, LONG)]}
    assert api.request("PUT", path, body).status_code == 409


def test_a_vip_is_found_by_any_spelling(make_api: Any) -> None:
    api = make_api(network="noop")
    made = api.loadbalancer(vip_address=LONG)
    assert api.get(f"/loadbalancers/{made['id']}")["loadbalancer"]["vip_address"] == made["vip_address"] == LONG
    for spelling in SPELLINGS:
        assert api.get(f"/loadbalancers?vip_address={quote(spelling)}")["loadbalancers"][0]["id"] == made["id"]
        found = api.as_("admin").get(f"//v2/octavia/amphorae?ha_ip={quote(spelling)}")["amphorae"]
        assert [each["vrrp_ip"] for each in found] == [LONG]
    assert api.get("/loadbalancers?vip_address=2001:db8::2")["loadbalancers"] == []


def test_ports_and_subnets_are_found_by_any_spelling(api: Any) -> None:
    admin = api.as_("admin")
    network = admin.request("POST", "//networking/v2.0/networks", {"network": {"name": "six"}}).json["network"]
    subnet = {"network_id": network["id"], "ip_version": 6, "cidr": "2001:db8:0:0::/64", "gateway_ip": LONG}
    made = admin.request("POST", "//networking/v2.0/subnets", {"subnet": subnet}).json["subnet"]
    port = {"network_id": network["id"], "fixed_ips": [{"ip_address": "2001:db8::7"}]}
    admin.request("POST", "//networking/v2.0/ports", {"port": port})
    for spelling in SPELLINGS:
        found = admin.get(f"//networking/v2.0/subnets?gateway_ip={quote(spelling)}")["subnets"]
        assert [each["id"] for each in found] == [made["id"]]
    for cidr in ("2001:db8::/64", "2001:DB8:0:0::/64"):
        assert len(admin.get(f"//networking/v2.0/subnets?cidr={quote(cidr)}")["subnets"]) == 1
    assert len(admin.get("//networking/v2.0/ports?fixed_ips=ip_address%3D2001:db8:0::7")["ports"]) == 1
