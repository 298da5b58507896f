"""The first test of a program that makes a load balancer, and the first of what it does when the cloud fails."""

import time


def deploy(api, subnet_id):
    """The program to test: it repeats what the cloud refuses for now."""
    for _ in range(5):
        try:
            return api.create_load_balancer(name="shop", vip_subnet_id=subnet_id)
        except Exception as error:
            if getattr(error, "status_code", None) not in (409, 503):
                raise
            time.sleep(0.1)
    raise TimeoutError


def test_it_makes_a_load_balancer(cloud):
    api = cloud.openstack().load_balancer
    made = deploy(api, cloud.subnet["id"])
    assert api.get_load_balancer(made.id).provisioning_status == "ACTIVE"


def test_it_repeats_what_is_refused_for_now(cloud):
    cloud.faults.add(resource="loadbalancer", operation="create", status=503, times=2)
    deploy(cloud.openstack().load_balancer, cloud.subnet["id"])
    assert [each["status"] for each in cloud.requests(method="POST", path="*/loadbalancers")] == [503, 503, 201]
