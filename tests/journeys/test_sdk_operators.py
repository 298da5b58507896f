"""Calls of openstacksdk for flavors, availability zones, amphorae, providers and quotas."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

# In a process of its own: what the SDK warns of is not ours to mend.
JOURNEY = """
import openstack
from openstack.exceptions import ConflictException, HttpException, NotFoundException

cloud = openstack.connect(cloud="lbclient-admin")
api = cloud.load_balancer

def refused(kind, function, *arguments, **values):
    try:
        function(*arguments, **values)
    except kind as error:
        return error
    raise AssertionError("was not refused")

def settled(balancer):
    return api.wait_for_load_balancer(balancer.id, interval=0.1, wait=20)

assert [each.name for each in api.providers()] == ["octavia", "amphora", "noop_driver"]
assert "compute_flavor" in [each.name for each in api.provider_flavor_capabilities("octavia")]

data = '{"loadbalancer_topology": "ACTIVE_STANDBY"}'
error = refused(HttpException, api.create_flavor_profile, name="two", provider_name="octavia", flavor_data=data)
assert error.status_code == 501 and "needs two hosts" in error.details
profile = api.create_flavor_profile(name="one", provider_name="octavia", flavor_data="{}")
profile = api.update_flavor_profile(profile, flavor_data='{"compute_flavor": "m1"}')
flavor = api.create_flavor(name="small", flavor_profile_id=profile.id)
assert api.find_flavor("small").id == flavor.id
assert not api.update_flavor(flavor, is_enabled=False).is_enabled
assert api.update_flavor(flavor, is_enabled=True).is_enabled

zones = api.create_availability_zone_profile(name="z", provider_name="octavia", availability_zone_data="{}")
api.create_availability_zone(name="east", availability_zone_profile_id=zones.id)
assert api.get_availability_zone("east").is_enabled
assert api.update_availability_zone("east", description="there").description == "there"

subnet = cloud.network.find_subnet("private-subnet")
balancer = api.create_load_balancer(
    name="b", vip_subnet_id=subnet.id, flavor_id=flavor.id, availability_zone="east"
)
settled(balancer)
[amphora] = api.amphorae(loadbalancer_id=balancer.id)
assert (amphora.status, amphora.role, amphora.ha_ip) == ("ALLOCATED", "STANDALONE", balancer.vip_address)
assert api.get_amphora(amphora.id).compute_flavor == "m1"
api.configure_amphora(amphora.id)
api.failover_amphora(amphora.id)
settled(balancer)
refused(NotFoundException, api.get_amphora, amphora.id)
[second] = api.amphorae(loadbalancer_id=balancer.id)
api.failover_load_balancer(balancer.id)
settled(balancer)
[third] = api.amphorae(loadbalancer_id=balancer.id)
assert len({amphora.id, second.id, third.id}) == 3

assert api.get_quota_default().load_balancers == -1
project_id = cloud.current_project_id
assert api.update_quota(project_id, load_balancers=7).load_balancers == 7
assert [each.load_balancers for each in api.quotas()] == [7]
api.delete_quota(project_id)
assert list(api.quotas()) == []

refused(ConflictException, api.delete_flavor, flavor)
refused(ConflictException, api.delete_availability_zone, "east")
api.delete_load_balancer(balancer.id, cascade=True)
openstack.resource.wait_for_delete(api, balancer, interval=0.1, wait=20)
api.delete_flavor(flavor)
api.delete_flavor_profile(profile)
api.delete_availability_zone("east")
api.delete_availability_zone_profile(zones)
assert not [*api.flavors(), *api.flavor_profiles(), *api.availability_zones(), *api.availability_zone_profiles()]
print("played")
"""


def test_the_sdk_does_what_operators_do(server: Any) -> None:
    command = [sys.executable, "-c", JOURNEY]
    ended = subprocess.run(command, env=server.environment, capture_output=True, text=True, timeout=120)
    assert (ended.stdout, ended.returncode) == ("played\n", 0), ended.stderr
