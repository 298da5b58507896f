"""A program that does with openstacksdk's network and identity proxies what the services here have, and checks it."""

from __future__ import annotations

from typing import Any

import openstack
from openstack.exceptions import NotFoundException

cloud = openstack.connect(cloud="lbclient-admin")
network, identity = cloud.network, cloud.identity


def gone(function: Any, *arguments: Any) -> None:
    try:
        function(*arguments)
    except NotFoundException:
        return
    raise AssertionError(f"{function.__name__}{arguments} is still there")


def tried(proxy: Any, noun: str, plural: str, made: Any, **changes: Any) -> Any:
    """Get, find, list and update one object."""
    assert getattr(proxy, f"get_{noun}")(made.id).id == made.id
    find = getattr(proxy, f"find_{noun}", None)
    if find:
        assert find(made.id).id == made.id
        assert find("nothing-of-that-name") is None
        assert not made.name or find(made.name).id == made.id
    assert made.id in [each.id for each in getattr(proxy, plural)()]
    if changes:
        updated = getattr(proxy, f"update_{noun}")(made, **changes)
        assert {name: updated[name] for name in changes} == changes, updated
    return made


def removed(proxy: Any, noun: str, made: Any) -> None:
    getattr(proxy, f"delete_{noun}")(made)
    gone(getattr(proxy, f"get_{noun}"), made.id)


def networks() -> None:
    net = tried(network, "network", "networks", network.create_network(name="n"), name="m")
    subnet = network.create_subnet(name="s", network_id=net.id, cidr="127.99.0.0/24", ip_version=4)
    tried(network, "subnet", "subnets", subnet, name="t")
    group = tried(network, "security_group", "security_groups", network.create_security_group(name="g"), name="h")
    rule = network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=80, port_range_max=81
    )
    assert network.get_security_group_rule(rule.id).port_range_max == 81
    assert rule.id in [each.id for each in network.security_group_rules(security_group_id=group.id)]
    port = network.create_port(name="p", network_id=net.id, security_group_ids=[group.id])
    tried(network, "port", "ports", port, name="q")
    assert [each.id for each in network.get_subnet_ports(subnet.id)] == [port.id]
    policy = tried(network, "qos_policy", "qos_policies", network.create_qos_policy(name="qos"), name="slow")
    network.set_tags(policy, ["red"])
    assert network.get_qos_policy(policy.id).tags == ["red"]
    removed(network, "port", port)
    network.delete_security_group_rule(rule)
    for noun, made in (("security_group", group), ("qos_policy", policy), ("subnet", subnet), ("network", net)):
        removed(network, noun, made)


def outside() -> None:
    """A router between a subnet and the world, and a floating IP on a port."""
    public, private = network.find_network("public-net"), network.find_subnet("private-subnet")
    router = network.create_router(name="r", external_gateway_info={"network_id": public.id})
    assert router.external_gateway_info["external_fixed_ips"][0]["ip_address"]
    tried(network, "router", "routers", router, name="s")
    network.add_interface_to_router(router, subnet_id=private.id)
    port = network.create_port(name="f", network_id=private.network_id)
    floating = network.create_ip(floating_network_id=public.id, port_id=port.id)
    assert network.find_ip(floating.floating_ip_address).port_id == network.get_ip(floating.id).port_id == port.id
    assert floating.id in [each.id for each in network.ips()]
    assert network.update_ip(floating, port_id=None).port_id is None
    removed(network, "ip", floating)
    removed(network, "port", port)
    network.remove_interface_from_router(router, subnet_id=private.id)
    removed(network, "router", router)
    assert network.find_extension("Quality of Service").alias == "qos"
    assert list(network.service_providers()) == list(network.subnet_pools()) == []
    assert "security-group" in [each.alias for each in network.extensions()]
    assert network.get_quota(cloud.current_project_id) is not None


def cleaned_up() -> None:
    """Clean up the networks of one project, and check that those of others stay."""
    mine = openstack.connect(cloud="lbclient")
    kept = network.create_network(name="kept")
    net = mine.network.create_network(name="mine")
    subnet = mine.network.create_subnet(name="s", network_id=net.id, cidr="127.98.0.0/24", ip_version=4)
    router = mine.network.create_router(name="r")
    mine.network.add_interface_to_router(router, subnet_id=subnet.id)
    mine.network.create_port(name="p", network_id=net.id)
    mine.network.create_security_group(name="g")
    mine.network.create_ip(floating_network_id=network.find_network("public-net").id)
    mine.project_cleanup(dry_run=False, wait_timeout=30)
    own = {"project_id": mine.current_project_id}
    left = (
        network.networks(**own),
        network.subnets(**own),
        network.ports(**own),
        network.routers(**own),
        network.ips(**own),
    )
    assert [list(each) for each in left] == [[]] * 5
    assert [each.name for each in network.security_groups(**own)] in ([], ["default"])
    removed(network, "network", kept)


def people() -> None:
    domain = tried(identity, "domain", "domains", identity.create_domain(name="d", is_enabled=True), description="x")
    project = tried(identity, "project", "projects", identity.create_project(name="p", domain_id=domain.id), name="o")
    user = identity.create_user(name="u", password="secret", domain_id=domain.id)
    tried(identity, "user", "users", user, description="y")
    role = identity.find_role("member")
    identity.assign_project_role_to_user(project, user, role)
    assert identity.validate_user_has_project_role(project, user, role)
    assert [each.user["id"] for each in identity.role_assignments(scope_project_id=project.id)] == [user.id]
    identity.unassign_project_role_from_user(project, user, role)
    assert role.id in [each.id for each in identity.roles()]
    removed(identity, "user", user)
    removed(identity, "project", project)
    identity.update_domain(domain, is_enabled=False)
    removed(identity, "domain", domain)


def catalog() -> None:
    mine = cloud.current_user_id
    made = identity.create_application_credential(mine, "c")
    assert identity.get_application_credential(mine, made.id).name == "c"
    assert identity.find_application_credential(mine, "c").id == made.id
    assert [each.id for each in identity.application_credentials(mine)] == [made.id]
    identity.delete_application_credential(mine, made)
    kinds = {each.type for each in identity.services()}
    assert {"identity", "load-balancer", "network", "key-manager"} <= kinds, kinds
    assert len(list(identity.endpoints())) >= len(kinds)


networks()
outside()
cleaned_up()
people()
catalog()
print("[]")
