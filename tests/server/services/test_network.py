"""Networks, subnets, ports and floating IPs."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lbclient.server.network import vip

V2 = "/networking/v2.0"
UNKNOWN = str(uuid.UUID(int=7))
NETWORKS, SUBNETS, PORTS, FLOATING_IPS = (f"{V2}/{name}" for name in ("networks", "subnets", "ports", "floatingips"))


def names(found: list[dict[str, Any]]) -> list[str]:
    return [each["name"] for each in found]


def vip_port(front: Any, project_id: str) -> tuple[str, str]:
    """A load balancer's ID and the ID of its VIP's port."""
    loadbalancer_id = str(uuid.uuid4())
    asked = {"vip_address": None, "vip_port_id": None, "vip_network_id": None}
    with front.store.writing() as tx:
        made = vip.allocate(
            tx,
            loadbalancer_id=loadbalancer_id,
            project_id=project_id,
            is_admin=False,
            vip_subnet_id=front.world.private_subnet,
            **asked,
        )
    return loadbalancer_id, made.port_id


def test_versions_and_extensions(front: Any, demo: Any) -> None:
    answer = front.client.simulate_get("/networking", headers={"Host": "lb:1"})
    assert answer.json["versions"][0]["links"][0]["href"] == "http://lb:1/networking/v2.0/"
    aliases = {each["alias"] for each in demo.get(f"{V2}/extensions")["extensions"]}
    assert {"external-net", "qos", "router", "security-group"} <= aliases
    router = demo.get(f"{V2}/extensions/router")["extension"]
    assert (router["alias"], router["name"]) == ("router", "Neutron L3 Router")
    assert demo.get(f"{V2}/extensions/external-net")["extension"]["name"] == "Neutron external network"
    demo.refused(404, "GET", f"{V2}/extensions/bgp")


def test_the_world_is_seen_by_everybody_and_changed_by_its_owner(front: Any, demo: Any, admin: Any) -> None:
    assert names(demo.get(NETWORKS)["networks"]) == ["private-net", "public-net"]
    assert names(demo.get(f"{NETWORKS}?router:external=True")["networks"]) == ["public-net"]
    assert names(demo.get(f"{SUBNETS}?name=private-subnet")["subnets"]) == ["private-subnet"]
    for method, body in (("PUT", {"network": {"name": "x"}}), ("DELETE", None)):
        path = f"{NETWORKS}/{front.world.private_net}"
        assert "disallowed by policy" in demo.refused(403, method, path, body)
    assert admin.changed(f"{NETWORKS}/{front.world.private_net}", "network", name="x")["name"] == "x"


def test_a_network_of_a_project_is_nobody_elses(demo: Any, admin: Any) -> None:
    hidden = admin.made(NETWORKS, "network", name="hidden")
    mine = demo.made(NETWORKS, "network", name="mine", description="of mine", mtu=1400)
    assert (mine["project_id"], mine["tenant_id"], mine["mtu"]) == (demo.login.project_id, demo.login.project_id, 1400)
    assert names(demo.get(NETWORKS)["networks"]) == ["private-net", "public-net", "mine"]
    assert "hidden" in names(admin.get(NETWORKS)["networks"])
    for method, body in (("GET", None), ("PUT", {"network": {"name": "x"}}), ("DELETE", None)):
        message = demo.refused(404, method, f"{NETWORKS}/{hidden['id']}", body)
        assert message == f"Network {hidden['id']} could not be found."
    body = {"subnet": {"network_id": hidden["id"], "cidr": "10.1.0.0/24", "ip_version": 4}}
    demo.refused(404, "POST", SUBNETS, body)


@pytest.mark.parametrize("values", [{"shared": True}, {"router:external": True}, {"project_id": "0" * 32}])
def test_what_only_an_admin_may(demo: Any, admin: Any, values: Any) -> None:
    assert "disallowed by policy" in demo.refused(403, "POST", NETWORKS, {"network": values})
    assert admin.made(NETWORKS, "network", **values)[next(iter(values))] == next(iter(values.values()))


def test_a_subnet_has_a_gateway_and_a_pool(demo: Any) -> None:
    network = demo.made(NETWORKS, "network", name="n")["id"]
    subnet = demo.made(SUBNETS, "subnet", network_id=network, cidr="10.1.0.7/24", ip_version=4)
    assert (subnet["cidr"], subnet["gateway_ip"]) == ("10.1.0.0/24", "10.1.0.1")
    assert subnet["allocation_pools"] == [{"start": "10.1.0.2", "end": "10.1.0.254"}]
    middle = demo.made(SUBNETS, "subnet", network_id=network, cidr="10.2.0.0/29", gateway_ip="10.2.0.3")
    assert [pool["start"] for pool in middle["allocation_pools"]] == ["10.2.0.1", "10.2.0.4"]
    bare = demo.made(SUBNETS, "subnet", network_id=network, cidr="10.3.0.0/29", gateway_ip=None)
    assert bare["gateway_ip"] is None
    six = demo.made(SUBNETS, "subnet", network_id=network, cidr="fd00::/64", ip_version=6)
    assert six["allocation_pools"] == [{"start": "fd00::2", "end": "fd00::ffff:ffff:ffff:ffff"}]
    assert demo.get(f"{NETWORKS}/{network}")["network"]["subnets"] == [
        each["id"] for each in (subnet, middle, bare, six)
    ]
    port = demo.made(PORTS, "port", network_id=network)
    assert [each["ip_address"] for each in port["fixed_ips"]] == ["10.1.0.2", "fd00::2"]


@pytest.mark.parametrize(
    ("values", "status", "why"),
    [
        ({"cidr": "10.1.0.0/25"}, 400, "overlaps with another subnet"),
        ({"cidr": "10.9.0.0"}, 400, "is not a valid IP subnet"),
        ({"cidr": "10.9.0.0/33"}, 400, "Invalid input for cidr"),
        ({}, 400, "Required attribute 'cidr' not specified"),
        ({"cidr": "10.9.0.0/24", "ip_version": 6}, 400, "is not of IP version 6"),
        ({"cidr": "10.9.0.0/24", "gateway_ip": "::1"}, 400, "is not of IP version 4"),
        ({"cidr": "10.9.0.0/24", "allocation_pools": [{"start": "10.9.0.9"}]}, 400, "has to have end and start"),
        (
            {"cidr": "10.9.0.0/24", "allocation_pools": [{"start": "10.9.0.9", "end": "10.9.0.8"}]},
            400,
            "is not valid",
        ),
        (
            {"cidr": "10.9.0.0/24", "allocation_pools": [{"start": "10.9.0.9", "end": "10.9.1.8"}]},
            400,
            "spans beyond",
        ),
        (
            {"cidr": "10.9.0.0/24", "allocation_pools": [{"start": "10.9.0.1", "end": "10.9.0.8"}]},
            409,
            "conflicts with allocation pool",
        ),
        ({"cidr": "10.9.0.0/24", "allocation_pools": [{"start": "10.9.0.9", "end": "::9"}]}, 400, "is not valid"),
    ],
)
def test_subnets_that_do_not_fit(demo: Any, values: Any, status: int, why: str) -> None:
    network = demo.made(NETWORKS, "network", name="n")["id"]
    demo.made(SUBNETS, "subnet", network_id=network, cidr="10.1.0.0/24")
    body = {"subnet": {"network_id": network, **values}}
    assert why in demo.refused(status, "POST", SUBNETS, body)


def test_a_subnet_can_be_changed(demo: Any) -> None:
    network = demo.made(NETWORKS, "network", name="n")["id"]
    subnet = demo.made(SUBNETS, "subnet", network_id=network, cidr="10.1.0.0/24")
    path = f"{SUBNETS}/{subnet['id']}"
    pools = [{"start": "10.1.0.10", "end": "10.1.0.20"}]
    changed = demo.changed(path, "subnet", name="s", allocation_pools=pools, gateway_ip="10.1.0.2")
    assert (changed["name"], changed["allocation_pools"], changed["revision_number"]) == ("s", pools, 1)
    demo.refused(409, "PUT", path, {"subnet": {"gateway_ip": "10.1.0.15"}})
    assert "not allowed in PUT" in demo.refused(400, "PUT", path, {"subnet": {"cidr": "10.3.0.0/24"}})


def test_what_is_in_use_stays(demo: Any) -> None:
    network = demo.made(NETWORKS, "network", name="n")["id"]
    subnet = demo.made(SUBNETS, "subnet", network_id=network, cidr="10.1.0.0/24")["id"]
    port = demo.made(PORTS, "port", network_id=network, fixed_ips=[{"subnet_id": subnet, "ip_address": "10.1.0.77"}])
    assert "still in use on the network" in demo.refused(409, "DELETE", f"{NETWORKS}/{network}")
    assert "have an IP allocation from this subnet" in demo.refused(409, "DELETE", f"{SUBNETS}/{subnet}")
    body = {"port": {"network_id": network, "fixed_ips": [{"ip_address": "10.1.0.77"}]}}
    assert "already allocated in subnet" in demo.refused(409, "POST", PORTS, body)
    demo.deleted(f"{PORTS}/{port['id']}")
    demo.deleted(f"{NETWORKS}/{network}")
    assert demo.refused(404, "GET", f"{SUBNETS}/{subnet}") == f"Subnet {subnet} could not be found."


@pytest.mark.parametrize("fixed_ip", [{}, {"x": "y"}, {"ip_address": "x"}, {"ip_address": "10.9.9.9"}])
def test_addresses_that_a_port_cannot_have(front: Any, demo: Any, fixed_ip: Any) -> None:
    body = {"port": {"network_id": front.world.private_net, "fixed_ips": [fixed_ip]}}
    demo.refused(400, "POST", PORTS, body)
    assert demo.get(PORTS)["ports"] == []


def test_the_port_of_a_vip_belongs_to_its_load_balancer(front: Any, demo: Any) -> None:
    _, port = vip_port(front, demo.login.project_id)
    path = f"{PORTS}/{port}"
    assert demo.get(path)["port"]["device_owner"] == "Octavia"
    demo.refused(409, "DELETE", path)
    demo.refused(409, "PUT", path, {"port": {"device_id": ""}})
    assert demo.changed(path, "port", name="mine")["name"] == "mine"


def test_a_used_port_takes_what_it_has_already(front: Any, demo: Any) -> None:
    _, port = vip_port(front, demo.login.project_id)
    path = f"{PORTS}/{port}"
    before = demo.get(path)["port"]
    same = {name: before[name] for name in ("device_id", "device_owner", "fixed_ips")}
    assert demo.changed(path, "port", description="d", **same)["fixed_ips"] == before["fixed_ips"]
    address = before["fixed_ips"][0]["ip_address"]
    assert demo.changed(path, "port", fixed_ips=[{"ip_address": address}])["fixed_ips"] == before["fixed_ips"]
    refusal = demo.refused(409, "PUT", path, {"port": {"fixed_ips": [{"ip_address": "10.0.0.211"}]}})
    assert "cannot be updated directly" in refusal
    demo.refused(409, "PUT", path, {"port": {"fixed_ips": []}})


def test_a_floating_ip_leads_to_a_vip(front: Any, demo: Any) -> None:
    loadbalancer_id, port = vip_port(front, demo.login.project_id)
    floating = demo.made(FLOATING_IPS, "floatingip", floating_network_id=front.world.public_net)
    assert (floating["floating_ip_address"], floating["status"]) == ("203.0.113.2", "DOWN")
    path = f"{FLOATING_IPS}/{floating['id']}"
    led = demo.changed(path, "floatingip", port_id=port)
    assert (led["fixed_ip_address"], led["status"], led["port_id"]) == ("10.0.0.100", "ACTIVE", port)
    assert led["port_details"]["device_id"] == f"lb-{loadbalancer_id}"
    assert demo.get(f"{FLOATING_IPS}?port_id={port}&status=ACTIVE")["floatingips"] == [led]
    assert demo.changed(path, "floatingip", description="d")["port_id"] == port
    assert demo.changed(path, "floatingip", port_id=None)["fixed_ip_address"] is None
    assert front.woken == [loadbalancer_id] * 3
    demo.changed(path, "floatingip", port_id=port)
    demo.deleted(path)
    assert front.woken == [loadbalancer_id] * 5
    demo.refused(404, "GET", path)
    assert demo.made(FLOATING_IPS, "floatingip", floating_network_id=front.world.public_net)


def test_a_floating_ip_can_move_and_both_are_woken(front: Any, demo: Any) -> None:
    one, other = (vip_port(front, demo.login.project_id) for _ in range(2))
    floating = demo.made(FLOATING_IPS, "floatingip", floating_network_id=front.world.public_net, port_id=one[1])
    front.woken.clear()
    demo.changed(f"{FLOATING_IPS}/{floating['id']}", "floatingip", port_id=other[1])
    assert set(front.woken) == {one[0], other[0]}


def test_floating_ips_that_cannot_be(front: Any, demo: Any, admin: Any) -> None:
    _, port = vip_port(front, demo.login.project_id)
    public, private = front.world.public_net, front.world.private_net

    def refused(status: int, **values: Any) -> str:
        return str(demo.refused(status, "POST", FLOATING_IPS, {"floatingip": values}))

    assert "is not a valid external network" in refused(400, floating_network_id=private)
    assert "could not be found" in refused(404, floating_network_id=str(uuid.uuid4()))
    assert "could not be found" in refused(404, floating_network_id=public, port_id=str(uuid.uuid4()))
    assert "not a valid UUID" in refused(400, floating_network_id=public, port_id="x")
    assert "does not have fixed ip" in refused(
        400, floating_network_id=public, port_id=port, fixed_ip_address="10.0.0.9"
    )
    assert "disallowed by policy" in refused(403, floating_network_id=public, floating_ip_address="203.0.113.9")
    foreign = admin.made(PORTS, "port", network_id=private)["id"]
    refused(404, floating_network_id=public, port_id=foreign)
    beside = demo.made(PORTS, "port", network_id=public)["id"]
    assert "is not reachable" in refused(404, floating_network_id=public, port_id=beside)
    assert demo.get(FLOATING_IPS)["floatingips"] == []
    demo.made(FLOATING_IPS, "floatingip", floating_network_id=public, port_id=port)
    assert "already has a floating IP" in refused(409, floating_network_id=public, port_id=port)
    chosen = {"floating_network_id": public, "floating_ip_address": "203.0.113.9"}
    assert admin.made(FLOATING_IPS, "floatingip", **chosen)["floating_ip_address"] == "203.0.113.9"
    assert "already allocated" in admin.refused(409, "POST", FLOATING_IPS, {"floatingip": chosen})


def test_a_network_with_floating_ips_stays(front: Any, demo: Any, admin: Any) -> None:
    demo.made(FLOATING_IPS, "floatingip", floating_network_id=front.world.public_net)
    admin.refused(409, "DELETE", f"{NETWORKS}/{front.world.public_net}")
    assert demo.get(PORTS)["ports"] == []  # the port of its address belongs to no project
    held = admin.get(f"{PORTS}?device_owner=network:floatingip")["ports"]
    admin.refused(409, "DELETE", f"{PORTS}/{held[0]['id']}")


def test_threads_never_get_the_same_floating_ip(front: Any, demo: Any) -> None:
    ready = threading.Barrier(6)

    def some(_: int) -> list[str]:
        ready.wait()
        body = {"floating_network_id": front.world.public_net}
        return [demo.made(FLOATING_IPS, "floatingip", **body)["floating_ip_address"] for _ in range(8)]

    with ThreadPoolExecutor(6) as pool:
        found = [address for each in pool.map(some, range(6)) for address in each]
    assert len(set(found)) == 48


def test_lists_come_in_pages_in_order_with_chosen_fields(demo: Any) -> None:
    for name in ("c", "a", "d", "b"):
        demo.made(NETWORKS, "network", name=name, admin_state_up=name != "d")
    mine = f"{NETWORKS}?project_id={demo.login.project_id}"
    assert names(demo.get(mine)["networks"]) == ["c", "a", "d", "b"]
    assert names(demo.get(f"{mine}&sort_key=name&sort_dir=desc")["networks"]) == ["d", "c", "b", "a"]
    seen, path = [], f"{mine}&sort_key=admin_state_up&sort_key=name&sort_dir=asc&sort_dir=asc&limit=3&fields=name"
    for _ in range(2):
        page = demo.get(path)
        assert all(set(each) == {"name"} for each in page["networks"])
        seen += names(page["networks"])
        link = page.get("networks_links", [{"href": ""}])[0]["href"]
        path = link[link.find("/networking") :]
    assert seen == ["d", "a", "b", "c"]
    assert path == ""
    assert names(demo.get(f"{mine}&name=a&name=b")["networks"]) == ["a", "b"]
    assert names(demo.get(f"{mine}&admin_state_up=False&status=ACTIVE")["networks"]) == ["d"]
    assert demo.get(f"{mine}&status=DOWN")["networks"] == []


@pytest.mark.parametrize(
    "query", ["nonesuch=1", "limit=-1", "limit=x", "sort_key=nonesuch", "sort_key=name&sort_dir=up", "name=%00"]
)
def test_queries_that_are_refused(demo: Any, query: str) -> None:
    demo.refused(400, "GET", f"{NETWORKS}?{query}")


def test_a_marker_that_does_not_exist(demo: Any) -> None:
    demo.refused(404, "GET", f"{NETWORKS}?marker={uuid.uuid4()}")


def test_ports_can_be_found_by_address(front: Any, demo: Any) -> None:
    _, port = vip_port(front, demo.login.project_id)
    demo.made(PORTS, "port", network_id=front.world.private_net, name="other")
    for query in ("ip_address=10.0.0.100", "ip_address_substr=0.100"):
        assert [each["id"] for each in demo.get(f"{PORTS}?fixed_ips={query}")["ports"]] == [port]
    assert len(demo.get(f"{PORTS}?fixed_ips=subnet_id={front.world.private_subnet}")["ports"]) == 2
    assert [each["id"] for each in demo.get(f"{PORTS}?status=ACTIVE")["ports"]] == [port]


@pytest.mark.parametrize("below", ["policies", "qos/policies"])
def test_tags_of_a_qos_policy(demo: Any, below: str) -> None:
    """Clients look for them below /policies, where Neutron has them."""
    policy = demo.made(f"{V2}/qos/policies", "policy", name="slow")["id"]
    tags = f"{V2}/{below}/{policy}/tags"
    assert demo.ask("PUT", tags, {"tags": ["red"]}).json == {"tags": ["red"]}
    added = demo.ask("POST", tags, {"tags": ["blue", "red"]})
    assert (added.status_code, added.json) == (201, {"tags": ["red", "blue"]})
    assert demo.get(f"{V2}/qos/policies/{policy}")["policy"]["tags"] == ["red", "blue"]
    assert [each["id"] for each in demo.get(f"{V2}/qos/policies?tags=blue")["policies"]] == [policy]
    assert demo.ask("GET", f"{tags}/red").status_code == 204
    demo.refused(404, "GET", f"{tags}/green")
    demo.deleted(f"{tags}/red")
    assert demo.get(tags) == {"tags": ["blue"]}
    demo.refused(404, "PUT", f"{V2}/{below}/{UNKNOWN}/tags", {"tags": []})


NOTHING = (
    "address-groups",
    "address-scopes",
    "agents",
    "availability_zones",
    "flavors",
    "local_ips",
    "log/loggable-resources",
    "log/logs",
    "metering/metering-label-rules",
    "metering/metering-labels",
    "ndp_proxies",
    "network_segment_ranges",
    "rbac-policies",
    "segments",
    "service-providers",
    "service_profiles",
    "subnetpools",
    "trunks",
)


@pytest.mark.parametrize("path", NOTHING)
def test_what_there_is_none_of_is_an_empty_list(demo: Any, path: str) -> None:
    [found] = demo.get(f"{V2}/{path}").values()
    assert found == []
    assert "could not be found" in demo.refused(404, "GET", f"{V2}/{path}/{UNKNOWN}")
    assert demo.ask("POST", f"{V2}/{path}", {}).status_code == 405


def test_tags(demo: Any) -> None:
    network = demo.made(NETWORKS, "network", name="n")["id"]
    tags = f"{NETWORKS}/{network}/tags"
    assert demo.ask("PUT", tags, {"tags": ["red", "blue", "red"]}).json == {"tags": ["red", "blue"]}
    assert demo.ask("PUT", f"{tags}/ä b").status_code == 201
    assert demo.get(f"{NETWORKS}/{network}")["network"]["tags"] == ["red", "blue", "ä b"]
    queries = (("tags=red,blue", True), ("tags=re", False), ("tags=Red", False), ("tags-any=x,red", True))
    for query, is_found in queries:
        assert bool(demo.get(f"{NETWORKS}?name=n&{query}")["networks"]) == is_found, query
        assert bool(demo.get(f"{NETWORKS}?name=n&not-{query}")["networks"]) != is_found, query
    demo.deleted(f"{tags}/red")
    demo.refused(404, "DELETE", f"{tags}/red")
    demo.deleted(tags)
    assert demo.get(tags) == {"tags": []}
    for wrong in ("x", [1], ["\0"], [""], ["x" * 256], ["x"] * 51):
        demo.refused(400, "PUT", tags, {"tags": wrong})


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_rules_are_sorted_by_ports_that_not_all_of_them_have(demo: Any, direction: str) -> None:
    rules = f"{V2}/security-group-rules"
    group = demo.made(f"{V2}/security-groups", "security_group", name="sorted")["id"]
    for first in (80, 9, None):
        ports = {} if first is None else {"protocol": "tcp", "port_range_min": first, "port_range_max": first}
        demo.made(rules, "security_group_rule", security_group_id=group, direction="ingress", **ports)
    query = f"{rules}?security_group_id={group}&direction=ingress&sort_key=port_range_min&sort_dir={direction}"
    found = demo.get(query)["security_group_rules"]
    wanted = [None, 9, 80]
    assert [each["port_range_min"] for each in found] == (wanted if direction == "asc" else wanted[::-1])
    for number, each in enumerate(found):
        assert demo.get(f"{query}&marker={each['id']}")["security_group_rules"] == found[number + 1 :]


def test_there_are_no_agents(demo: Any) -> None:
    assert demo.get(f"{V2}/agents") == {"agents": []}
    demo.refused(404, "GET", f"{V2}/agents/{uuid.uuid4()}")
