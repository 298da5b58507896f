"""Security groups, QoS policies, routers, objects made in bulk, and load balancers that name them."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

V2 = "/networking/v2.0"
LBAAS = "/load-balancer/v2.0/lbaas"
GROUPS, RULES = f"{V2}/security-groups", f"{V2}/security-group-rules"
POLICIES, ROUTERS, PORTS, SUBNETS = (f"{V2}/{name}" for name in ("qos/policies", "routers", "ports", "subnets"))


def group(person: Any, **values: Any) -> Any:
    return person.made(GROUPS, "security_group", **{"name": "web", **values})


def rule(person: Any, group_id: str, **values: Any) -> Any:
    usual = {"security_group_id": group_id, "direction": "ingress"}
    return person.made(RULES, "security_group_rule", **{**usual, **values})


def test_each_project_has_a_default_group(demo: Any, admin: Any) -> None:
    [mine] = demo.get(GROUPS)["security_groups"]
    assert (mine["name"], mine["project_id"]) == ("default", demo.login.project_id)
    rules = {(each["direction"], each["ethertype"], each["remote_group_id"]) for each in mine["security_group_rules"]}
    assert rules == {
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
        ("ingress", "IPv4", mine["id"]),
        ("ingress", "IPv6", mine["id"]),
    }
    assert demo.get(f"{GROUPS}?name=default")["security_groups"] == [mine]
    theirs = [each for each in admin.get(GROUPS)["security_groups"] if each["id"] != mine["id"]]
    demo.refused(404, "GET", f"{GROUPS}/{theirs[0]['id']}")
    path = f"{GROUPS}/{mine['id']}"
    demo.refused(409, "DELETE", path)
    demo.refused(409, "PUT", path, {"security_group": {"name": "x"}})
    demo.refused(409, "POST", GROUPS, {"security_group": {"name": "default"}})
    assert demo.changed(path, "security_group", description="d")["description"] == "d"


def test_two_requests_at_once_make_one_default_group(demo: Any) -> None:
    ready = threading.Barrier(6)

    def listed(_: int) -> list[str]:
        ready.wait()
        return [each["id"] for each in demo.get(GROUPS)["security_groups"]]

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(listed, range(6)))
    assert len({id_ for ids in found for id_ in ids}) == 1
    assert len(demo.get(RULES)["security_group_rules"]) == 4


def test_a_group_has_rules(demo: Any) -> None:
    web = group(demo, description="d")
    assert [each["direction"] for each in web["security_group_rules"]] == ["egress", "egress"]
    one = rule(demo, web["id"], protocol="tcp", port_range_min=80, port_range_max=443, remote_ip_prefix="10.0.0.1/8")
    assert (one["remote_ip_prefix"], one["ethertype"], one["protocol"]) == ("10.0.0.0/8", "IPv4", "tcp")
    rule(demo, web["id"], protocol=6)
    rule(demo, web["id"], protocol="icmp", port_range_min=8)
    rule(demo, web["id"], protocol="any", ethertype="IPv6")
    rule(demo, web["id"], remote_group_id=web["id"])
    shown = demo.get(f"{GROUPS}/{web['id']}")["security_group"]["security_group_rules"]
    assert len(shown) == 7
    assert demo.get(f"{RULES}?security_group_id={web['id']}&protocol=tcp")["security_group_rules"] == [one]
    assert demo.get(f"{RULES}/{one['id']}")["security_group_rule"] == one
    demo.deleted(f"{RULES}/{one['id']}")
    demo.refused(404, "GET", f"{RULES}/{one['id']}")
    assert demo.changed(f"{GROUPS}/{web['id']}", "security_group", name="shop")["name"] == "shop"
    demo.deleted(f"{GROUPS}/{web['id']}")
    assert len(demo.get(RULES)["security_group_rules"]) == 4  # of the default group


@pytest.mark.parametrize(
    ("values", "status", "why"),
    [
        ({"direction": "up"}, 400, "is not in"),
        ({"direction": None}, 400, "valid string"),
        ({"protocol": "nonesuch"}, 400, "is not a protocol"),
        ({"protocol": 256}, 400, "is not a protocol"),
        ({"port_range_min": 80, "port_range_max": 80}, 400, "Must also specify protocol"),
        ({"protocol": "tcp", "port_range_min": 81, "port_range_max": 80}, 400, "must be <="),
        ({"protocol": "tcp", "port_range_min": 80}, 400, "must be <="),
        ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536}, 400, "is not between"),
        ({"protocol": "gre", "port_range_min": 1, "port_range_max": 1}, 400, "only supported for"),
        ({"protocol": "icmp", "port_range_max": 1}, 400, "type (port-range-min) is missing"),
        ({"protocol": "icmp", "port_range_min": 256}, 400, "0 to 255"),
        ({"remote_ip_prefix": "fd00::/8"}, 400, "Conflicting value ethertype"),
        ({"remote_ip_prefix": "x"}, 400, "not a valid IP subnet"),
        ({"remote_group_id": str(uuid.uuid4())}, 404, "could not be found"),
        ({"protocol": "udp", "description": "the same again"}, 409, "already exists"),
        ({"security_group_id": str(uuid.uuid4())}, 404, "could not be found"),
    ],
)
def test_rules_that_are_refused(demo: Any, values: dict[str, Any], status: int, why: str) -> None:
    web = group(demo)
    rule(demo, web["id"], protocol="udp")
    body = {"security_group_rule": {"security_group_id": web["id"], "direction": "ingress", **values}}
    assert why in demo.refused(status, "POST", RULES, body)
    both = {"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": web["id"]}
    body = {"security_group_rule": {"security_group_id": web["id"], "direction": "ingress", **both}}
    assert "Only remote_ip_prefix or" in demo.refused(400, "POST", RULES, body)


def test_ports_have_groups(front: Any, demo: Any, admin: Any) -> None:
    port = demo.made(PORTS, "port", network_id=front.world.private_net)
    [default] = demo.get(GROUPS)["security_groups"]
    assert port["security_groups"] == [default["id"]]
    web, foreign = group(demo), group(admin)
    path = f"{PORTS}/{port['id']}"
    assert demo.changed(path, "port", security_groups=[web["id"]])["security_groups"] == [web["id"]]
    assert "in use" in demo.refused(409, "DELETE", f"{GROUPS}/{web['id']}")
    demo.refused(404, "PUT", path, {"port": {"security_groups": [foreign["id"]]}})
    demo.refused(400, "PUT", path, {"port": {"security_groups": ["x"]}})
    assert demo.changed(path, "port", security_groups=[])["security_groups"] == []
    demo.deleted(f"{GROUPS}/{web['id']}")
    bare = demo.made(PORTS, "port", network_id=front.world.private_net, port_security_enabled=False)
    assert bare["security_groups"] == []


def test_a_qos_policy_has_rules(demo: Any) -> None:
    policy = demo.made(POLICIES, "policy", name="slow")
    path = f"{POLICIES}/{policy['id']}"
    limits = f"{path}/bandwidth_limit_rules"
    one = demo.made(limits, "bandwidth_limit_rule", max_kbps=1000)
    assert (one["max_kbps"], one["max_burst_kbps"], one["direction"]) == (1000, 0, "egress")
    assert "already has" in demo.refused(409, "POST", limits, {"bandwidth_limit_rule": {"max_kbps": 1}})
    other = demo.made(limits, "bandwidth_limit_rule", max_kbps=2000, direction="ingress")
    demo.refused(409, "PUT", f"{limits}/{other['id']}", {"bandwidth_limit_rule": {"direction": "egress"}})
    assert demo.changed(f"{limits}/{one['id']}", "bandwidth_limit_rule", max_kbps=5)["max_kbps"] == 5
    mark = demo.made(f"{path}/dscp_marking_rules", "dscp_marking_rule", dscp_mark=26)
    demo.made(f"{path}/minimum_bandwidth_rules", "minimum_bandwidth_rule", min_kbps=1)
    for wrong in ({"dscp_mark": 3}, {}, {"dscp_mark": "x"}):
        demo.refused(400, "POST", f"{path}/dscp_marking_rules", {"dscp_marking_rule": wrong})
    rules = demo.get(path)["policy"]["rules"]
    assert [each["type"] for each in rules] == [
        "bandwidth_limit",
        "bandwidth_limit",
        "dscp_marking",
        "minimum_bandwidth",
    ]
    assert rules[2] == {"id": mark["id"], "qos_policy_id": policy["id"], "type": "dscp_marking", "dscp_mark": 26}
    assert len(demo.get(limits)["bandwidth_limit_rules"]) == 2
    demo.deleted(f"{limits}/{one['id']}")
    demo.refused(404, "GET", f"{limits}/{one['id']}")
    demo.refused(404, "GET", f"{limits}/{mark['id']}")
    assert len(demo.get(f"{V2}/qos/rule-types")["rule_types"]) == 3
    demo.deleted(path)
    demo.refused(404, "GET", limits)


def test_policies_are_a_projects_own_unless_shared(front: Any, demo: Any, admin: Any) -> None:
    hidden, shared = admin.made(POLICIES, "policy", name="h"), admin.made(POLICIES, "policy", name="s", shared=True)
    demo.refused(403, "POST", POLICIES, {"policy": {"name": "x", "shared": True}})
    assert [each["name"] for each in demo.get(POLICIES)["policies"]] == ["s"]
    demo.refused(404, "GET", f"{POLICIES}/{hidden['id']}")
    demo.refused(403, "DELETE", f"{POLICIES}/{shared['id']}")
    limits = f"{POLICIES}/{shared['id']}/bandwidth_limit_rules"
    demo.refused(403, "POST", limits, {"bandwidth_limit_rule": {"max_kbps": 1}})
    port = demo.made(PORTS, "port", network_id=front.world.private_net, qos_policy_id=shared["id"])
    assert port["qos_policy_id"] == shared["id"]
    assert "is used by port" in admin.refused(409, "DELETE", f"{POLICIES}/{shared['id']}")
    body = {"port": {"network_id": front.world.private_net, "qos_policy_id": hidden["id"]}}
    demo.refused(404, "POST", PORTS, body)


def test_a_policy_of_a_port_warns_that_it_limits_nothing(front: Any, demo: Any) -> None:
    policy = demo.made(POLICIES, "policy", name="slow")
    place = {"network_id": front.world.private_net}
    made = demo.ask("POST", PORTS, {"port": {**place, "qos_policy_id": policy["id"]}})
    assert "is stored and shown only" in made.headers["Warning"]
    other = demo.ask("POST", PORTS, {"port": place})
    assert "Warning" not in other.headers
    path = f"{PORTS}/{other.json['port']['id']}"
    assert "vip_qos_policy_id" in demo.ask("PUT", path, {"port": {"qos_policy_id": policy["id"]}}).headers["Warning"]
    assert "Warning" not in demo.ask("PUT", path, {"port": {"qos_policy_id": None}}).headers


GROUP_RULES = [
    ({"direction": "egress", "protocol": "tcp"}, "rules for outgoing traffic are stored"),
    ({"direction": "ingress", "protocol": "icmp"}, "only rules for tcp, udp or any protocol"),
    ({"direction": "ingress", "protocol": "132"}, "only rules for tcp, udp or any protocol"),
    ({"direction": "ingress", "protocol": "6"}, None),
    ({"direction": "ingress", "protocol": "udp"}, None),
    ({"direction": "ingress", "protocol": "ip", "remote_ip_prefix": "2001:db8::/64"}, None),
    ({"direction": "ingress"}, None),
]


def test_rules_of_groups_warn_where_they_have_no_effect(demo: Any) -> None:
    place = {"security_group_id": group(demo)["id"], "ethertype": "IPv6"}
    for values, words in GROUP_RULES:
        said = demo.ask("POST", RULES, {"security_group_rule": {**place, **values}}).headers.get("Warning")
        assert (said is None) == (words is None), values
        assert words is None or words in said
    many = [{**place, "ethertype": "IPv4", **values} for values, _ in GROUP_RULES if "remote_ip_prefix" not in values]
    said = demo.ask("POST", RULES, {"security_group_rules": many}).headers["Warning"]
    assert said.count("299 lbclient") == 2
    assert "outgoing traffic" in said
    assert "any protocol" in said


def test_groups_of_ports_and_stateless_groups_warn_that_they_restrict_nothing(front: Any, demo: Any) -> None:
    made = demo.ask("POST", GROUPS, {"security_group": {"name": "s", "stateful": False}})
    assert "answers to admitted clients are never filtered" in made.headers["Warning"]
    id_ = made.json["security_group"]["id"]
    said = [demo.ask("PUT", f"{GROUPS}/{id_}", {"security_group": {"stateful": each}}) for each in (True, False)]
    assert ["Warning" in each.headers for each in said] == [False, True]
    place = {"network_id": front.world.private_net}
    usual = demo.ask("POST", PORTS, {"port": place})
    assert "Warning" not in usual.headers  # the default group, for which the request did not ask
    path = f"{PORTS}/{usual.json['port']['id']}"
    for method, where, values in (("POST", PORTS, place), ("PUT", path, {})):
        answer = demo.ask(method, where, {"port": {**values, "security_groups": [id_]}})
        assert "those of a load balancer are its vip_sg_ids" in answer.headers["Warning"]
    assert "Warning" not in demo.ask("PUT", path, {"port": {"security_groups": []}}).headers


def test_the_address_of_a_gateway(front: Any, demo: Any, admin: Any) -> None:
    public, subnet = front.world.public_net, front.world.public_subnet

    def held() -> list[str]:
        found = admin.get(f"{PORTS}?device_owner=network:router_gateway")["ports"]
        return [each["ip_address"] for port in found for each in port["fixed_ips"]]

    def given(router: Any) -> list[str]:
        gateway = router["external_gateway_info"] or {}
        return [each["ip_address"] for each in gateway.get("external_fixed_ips", ())]

    wanted = {"network_id": public, "external_fixed_ips": [{"subnet_id": subnet, "ip_address": "203.0.113.77"}]}
    router = admin.made(ROUTERS, "router", external_gateway_info=wanted)
    path = f"{ROUTERS}/{router['id']}"
    assert router["external_gateway_info"] == {**wanted, "enable_snat": True}
    assert given(admin.get(path)["router"]) == held() == ["203.0.113.77"]
    # The same network again keeps the address; other addresses take its place.
    again = admin.changed(path, "router", external_gateway_info={"network_id": public, "enable_snat": False})
    assert (given(again), again["external_gateway_info"]["enable_snat"]) == (["203.0.113.77"], False)
    other = {"network_id": public, "external_fixed_ips": [{"ip_address": "203.0.113.78"}]}
    assert given(admin.changed(path, "router", external_gateway_info=other)) == held() == ["203.0.113.78"]
    # What is taken, or not of the network, is refused, and everything stays.
    second = {"network_id": public, "external_fixed_ips": [{"ip_address": "203.0.113.78"}]}
    assert "already allocated" in admin.refused(409, "POST", ROUTERS, {"router": {"external_gateway_info": second}})
    for wrong in (
        [{"ip_address": "10.0.0.1"}],
        [{"subnet_id": front.world.private_subnet}],
        [{}],
        [{"a": 1}],
        "x",
        [1],
    ):
        gateway = {"network_id": public, "external_fixed_ips": wrong}
        admin.refused(400, "PUT", path, {"router": {"external_gateway_info": gateway}})
    admin.refused(400, "PUT", path, {"router": {"external_gateway_info": {"network_id": public, "colour": "red"}}})
    port = admin.get(f"{PORTS}?device_owner=network:router_gateway")["ports"][0]["id"]
    admin.refused(409, "DELETE", f"{PORTS}/{port}")
    assert given(admin.get(path)["router"]) == held() == ["203.0.113.78"]
    # A project gets an address, and does not choose it.
    refused = demo.refused(403, "POST", ROUTERS, {"router": {"external_gateway_info": wanted}})
    assert "external_fixed_ips is disallowed by policy" in refused
    own = demo.made(ROUTERS, "router", external_gateway_info={"network_id": public})
    assert sorted(held()) == sorted(["203.0.113.78", *given(own)])
    assert demo.get(f"{PORTS}?device_owner=network:router_gateway")["ports"] == []
    assert admin.changed(path, "router", external_gateway_info=None)["external_gateway_info"] is None
    demo.deleted(f"{ROUTERS}/{own['id']}")
    assert held() == []


def test_a_gateway_has_an_address_of_each_ip_version(front: Any, admin: Any) -> None:
    subnet = {"network_id": front.world.public_net, "ip_version": 6, "cidr": "2001:db8:1::/64"}
    admin.made(SUBNETS, "subnet", **subnet)
    router = admin.made(ROUTERS, "router", external_gateway_info={"network_id": front.world.public_net})
    found = [each["ip_address"] for each in router["external_gateway_info"]["external_fixed_ips"]]
    assert sorted(":" in each for each in found) == [False, True]


def test_a_router(front: Any, demo: Any, admin: Any) -> None:
    gateway = {"network_id": front.world.public_net}
    router = demo.made(ROUTERS, "router", name="r", external_gateway_info=gateway)
    [held] = router["external_gateway_info"]["external_fixed_ips"]
    assert router["external_gateway_info"] == {**gateway, "enable_snat": True, "external_fixed_ips": [held]}
    network = demo.made(f"{V2}/networks", "network", name="n")["id"]
    subnet = demo.made(SUBNETS, "subnet", network_id=network, cidr="10.1.0.0/24")["id"]
    path = f"{ROUTERS}/{router['id']}"
    added = demo.ask("PUT", f"{path}/add_router_interface", {"subnet_id": subnet})
    assert (added.status_code, added.json["subnet_ids"]) == (200, [subnet])
    port = demo.get(f"{PORTS}/{added.json['port_id']}")["port"]
    assert (port["device_id"], port["fixed_ips"][0]["ip_address"]) == (router["id"], "10.1.0.1")
    demo.refused(409, "PUT", f"{path}/add_router_interface", {"subnet_id": subnet})
    demo.refused(409, "DELETE", f"{PORTS}/{port['id']}")
    assert "still has ports" in demo.refused(409, "DELETE", path)
    other = demo.made(PORTS, "port", network_id=network)
    assert demo.ask("PUT", f"{path}/add_router_interface", {"port_id": other["id"]}).status_code == 200
    demo.refused(409, "PUT", f"{path}/add_router_interface", {"port_id": other["id"]})
    for body in ({"port_id": other["id"]}, {"subnet_id": subnet}):
        assert demo.ask("PUT", f"{path}/remove_router_interface", body).status_code == 200
    demo.refused(404, "PUT", f"{path}/remove_router_interface", {"subnet_id": subnet})
    for body in ({}, {"subnet_id": 1}, []):
        demo.refused(400, "PUT", f"{path}/add_router_interface", body)
    demo.refused(400, "PUT", path, {"router": {"external_gateway_info": {"network_id": network}}})
    demo.refused(404, "PUT", path, {"router": {"external_gateway_info": {"network_id": "x"}}})
    changed = demo.changed(path, "router", name="q", external_gateway_info={})
    assert (changed["name"], changed["external_gateway_info"]) == ("q", None)
    demo.deleted(path)
    demo.refused(404, "GET", path)


def test_many_are_made_at_once_or_none(front: Any, demo: Any) -> None:
    answer = demo.ask("POST", f"{V2}/networks", {"networks": [{"name": "a"}, {"name": "b"}]})
    assert [each["name"] for each in answer.json["networks"]] == ["a", "b"]
    network = answer.json["networks"][0]["id"]
    overlapping = [{"network_id": network, "cidr": cidr} for cidr in ("10.1.0.0/24", "10.1.0.0/25")]
    demo.refused(400, "POST", SUBNETS, {"subnets": overlapping})
    assert demo.get(f"{SUBNETS}?network_id={network}")["subnets"] == []
    for wrong in ([], {}, ["x"], None):
        demo.refused(400, "POST", PORTS, {"ports": wrong})
    ports = demo.ask("POST", PORTS, {"ports": [{"network_id": front.world.private_net}] * 3}).json["ports"]
    assert len({each["fixed_ips"][0]["ip_address"] for each in ports}) == 3


def test_load_balancers_name_groups_and_policies_that_exist(front: Any, demo: Any, admin: Any) -> None:
    web, policy = group(demo)["id"], demo.made(POLICIES, "policy", name="p")["id"]
    foreign, hidden = group(admin)["id"], admin.made(POLICIES, "policy", name="h")["id"]
    usual = {"vip_subnet_id": front.world.private_subnet}

    def asked(**values: Any) -> Any:
        return demo.ask("POST", f"{LBAAS}/loadbalancers", {"loadbalancer": {**usual, **values}})

    refused = asked(vip_sg_ids=[web, foreign])
    assert (refused.status_code, refused.json["faultstring"]) == (400, f"Security Group {foreign} not found.")
    refused = asked(vip_qos_policy_id=hidden)
    assert (refused.status_code, refused.json["faultstring"]) == (400, f"qos_policy {hidden} not found.")
    made = asked(vip_sg_ids=[web], vip_qos_policy_id=policy)
    assert made.status_code == 201, made.text
    balancer = made.json["loadbalancer"]
    port = demo.get(f"{PORTS}/{balancer['vip_port_id']}")["port"]
    assert (port["security_groups"], port["qos_policy_id"]) == ([web], policy)
    demo.refused(409, "DELETE", f"{GROUPS}/{web}")
    demo.refused(409, "DELETE", f"{POLICIES}/{policy}")
    front.store.settle(front.store.snapshot(balancer["id"]), None)
    path = f"{LBAAS}/loadbalancers/{balancer['id']}"
    refused = demo.ask("PUT", path, {"loadbalancer": {"vip_sg_ids": [foreign]}})
    assert refused.json["faultstring"] == f"Security Group {foreign} not found."
    changed = demo.ask("PUT", path, {"loadbalancer": {"vip_sg_ids": None, "vip_qos_policy_id": None}})
    assert changed.json["loadbalancer"]["vip_sg_ids"] == []
    demo.deleted(f"{GROUPS}/{web}")
    demo.deleted(f"{POLICIES}/{policy}")
