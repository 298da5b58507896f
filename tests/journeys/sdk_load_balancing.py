"""A program that does with openstacksdk's load-balancer proxy all that this can do, and says what it has left out."""

from __future__ import annotations

from typing import Any

import openstack
from openstack.exceptions import ConflictException, NotFoundException

cloud = openstack.connect(cloud="lbclient-admin")
api = cloud.load_balancer
called: set[str] = set()


class Recorded:
    """The proxy; what is called is remembered."""

    def __getattr__(self, name: str) -> Any:
        called.add(name)
        return getattr(api, name)


lb = Recorded()


def settled(balancer: Any) -> Any:
    return lb.wait_for_load_balancer(balancer.id, interval=0.1, wait=30)


def gone(function: Any, *arguments: Any) -> None:
    try:
        function(*arguments)
    except NotFoundException:
        return
    raise AssertionError(f"{function.__name__}{arguments} is still there")


def tried(noun: str, plural: str, made: Any, *parents: Any, **changes: Any) -> Any:
    """Get, find, list and update one object."""
    found = getattr(lb, f"get_{noun}")(made.id, *parents)
    assert found.id == made.id
    finder = getattr(lb, f"find_{noun}")
    assert finder(made.id, *parents).id == made.id
    if made.name:
        assert finder(made.name, *parents).id == made.id
    assert finder("nothing-of-that-name", *parents) is None
    assert made.id in [each.id for each in getattr(lb, plural)(*parents)]
    if changes:
        updated = getattr(lb, f"update_{noun}")(made, *parents, **changes)
        assert {name: updated[name] for name in changes} == changes, updated
    return made


def offers() -> tuple[Any, Any]:
    assert "octavia" in [each.name for each in lb.providers()]
    assert "compute_flavor" in [each.name for each in lb.provider_flavor_capabilities("octavia")]
    profile = lb.create_flavor_profile(name="p", provider_name="octavia", flavor_data="{}")
    tried("flavor_profile", "flavor_profiles", profile, name="q")
    flavor = lb.create_flavor(name="f", flavor_profile_id=profile.id)
    tried("flavor", "flavors", flavor, description="d")
    zones = lb.create_availability_zone_profile(name="z", provider_name="octavia", availability_zone_data="{}")
    tried("availability_zone_profile", "availability_zone_profiles", zones, name="y")
    zone = lb.create_availability_zone(name="east", availability_zone_profile_id=zones.id)
    assert lb.get_availability_zone("east").name == lb.find_availability_zone("east").name == zone.name
    assert lb.update_availability_zone("east", description="there").description == "there"
    assert [each.name for each in lb.availability_zones()] == ["east"]
    return flavor, zone


def clean_up(flavor: Any, zone: Any) -> None:
    lb.delete_availability_zone("east")
    lb.delete_availability_zone_profile(zone.availability_zone_profile_id)
    lb.delete_flavor(flavor)
    lb.delete_flavor_profile(flavor.flavor_profile_id)
    gone(lb.get_flavor, flavor.id)


def tree(balancer: Any) -> tuple[Any, ...]:
    listener = lb.create_listener(
        name="l", load_balancer_id=balancer.id, protocol="HTTP", protocol_port=8080, allowed_cidrs=["127.0.0.0/8"]
    )
    tried("listener", "listeners", listener, connection_limit=5, timeout_client_data=1000, tags=["a"])
    pool = lb.create_pool(name="p", listener_id=listener.id, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    tried("pool", "pools", pool, lb_algorithm="SOURCE_IP", description="d")
    member = lb.create_member(pool, name="m", address="127.0.0.1", protocol_port=9, weight=3)
    tried_member(pool, member)
    monitor = lb.create_health_monitor(
        name="h", pool_id=pool.id, type="HTTP", delay=5, timeout=3, max_retries=2, url_path="/up"
    )
    tried("health_monitor", "health_monitors", monitor, delay=7, max_retries_down=4)
    policy = lb.create_l7_policy(name="x", listener_id=listener.id, action="REDIRECT_TO_POOL", redirect_pool_id=pool.id)
    tried("l7_policy", "l7_policies", policy, action="REDIRECT_TO_URL", redirect_url="http://a.example/")
    rule = lb.create_l7_rule(policy, type="PATH", compare_type="STARTS_WITH", value="/a")
    tried_rule(policy, rule)
    return listener, pool, member, monitor, policy, rule


def tried_member(pool: Any, member: Any) -> None:
    assert lb.get_member(member.id, pool.id).weight == 3
    assert lb.find_member("m", pool.id).id == lb.find_member(member.id, pool.id).id == member.id
    assert [each.id for each in lb.members(pool)] == [member.id]
    assert [each.id for each in lb.members(pool, weight=4)] == []
    assert lb.update_member(member, pool, weight=0).weight == 0


def tried_rule(policy: Any, rule: Any) -> None:
    assert lb.get_l7_rule(rule.id, policy.id).rule_value == "/a"
    assert lb.find_l7_rule(rule.id, policy.id).id == rule.id
    assert [each.id for each in lb.l7_rules(policy)] == [rule.id]
    assert lb.update_l7_rule(rule, policy, rule_value="/b").rule_value == "/b"


def clear(listener: Any, pool: Any, member: Any, monitor: Any, policy: Any, rule: Any) -> None:
    lb.delete_l7_rule(rule, policy)
    lb.delete_l7_policy(policy)
    lb.delete_health_monitor(monitor)
    lb.delete_member(member, pool)
    lb.delete_pool(pool)
    lb.delete_listener(listener)
    settled(balancer)
    for plural in ("listeners", "pools", "health_monitors", "l7_policies"):
        assert list(getattr(lb, plural)()) == [], plural


def amphorae(balancer: Any) -> None:
    [amphora] = lb.amphorae(loadbalancer_id=balancer.id)
    assert lb.get_amphora(amphora.id).status == lb.find_amphora(amphora.id).status == "ALLOCATED"
    lb.configure_amphora(amphora.id)
    lb.failover_amphora(amphora.id)
    settled(balancer)
    lb.failover_load_balancer(balancer.id)
    settled(balancer)


def quotas() -> None:
    project_id = cloud.current_project_id
    assert lb.get_quota_default().load_balancers == lb.get_quota(project_id).load_balancers == -1
    assert lb.update_quota(project_id, load_balancers=7).load_balancers == 7
    assert [each.load_balancers for each in lb.quotas()] == [7]
    lb.delete_quota(project_id)


flavor, zone = offers()
subnet = cloud.network.find_subnet("private-subnet")
balancer = lb.create_load_balancer(
    name="b", vip_subnet_id=subnet.id, flavor_id=flavor.id, availability_zone="east", tags=["one"]
)
settled(balancer)
tried("load_balancer", "load_balancers", balancer, description="d", tags=["one", "two"])
assert [each.id for each in lb.load_balancers(tags="two", provider="octavia")] == [balancer.id]
assert [each.id for each in lb.load_balancers(not_tags="two")] == []
settled(balancer)
parts = tree(balancer)
settled(balancer)
assert lb.get_load_balancer_statistics(balancer.id).total_connections == 0
assert lb.get_listener_statistics(parts[0].id).bytes_in == 0
try:
    lb.delete_load_balancer(balancer.id)
except (ConflictException, openstack.exceptions.BadRequestException) as error:
    assert "has children" in str(error)  # noqa: PT017 - a program, not a test
clear(*parts)
amphorae(balancer)
quotas()
lb.wait_for_status(balancer, status="ONLINE", attribute="operating_status", interval=0.1, wait=30)
lb.delete_load_balancer(balancer.id)
lb.wait_for_delete(balancer, interval=0.1, wait=30)
clean_up(flavor, zone)

usual = set(dir(openstack.proxy.Proxy))
print(sorted({name for name in dir(type(api)) if not name.startswith("_")} - usual - called - {"api_version"}))
