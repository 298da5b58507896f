"""Twenty failures of real clouds, each with the call that provokes it and what a client then sees."""

import pytest
import requests


def call(cloud, method, path, body=None, timeout=10.0):
    headers = {"X-Auth-Token": cloud.token}
    return requests.request(method, f"{cloud.url}/v2.0/lbaas/{path}", json=body, headers=headers, timeout=timeout)


def create(cloud, timeout=10.0):
    body = {"loadbalancer": {"name": "shop", "vip_subnet_id": cloud.subnet["id"]}}
    return call(cloud, "POST", "loadbalancers", body, timeout)


def balancer(cloud):
    return create(cloud).json()["loadbalancer"]["id"]


def status(cloud, id_):
    answer = call(cloud, "GET", f"loadbalancers/{id_}")
    return answer.json()["loadbalancer"]["provisioning_status"] if answer.ok else "DELETED"


def member(cloud):
    """The IDs of a load balancer, a pool with a health monitor, and its only member."""
    pool = {"name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    pool["members"] = [{"address": "192.0.2.1", "protocol_port": 80}]
    pool["healthmonitor"] = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 1}
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet["id"], "pools": [pool]}}
    made = call(cloud, "POST", "loadbalancers", body).json()["loadbalancer"]
    pool_id = made["pools"][0]["id"]
    [one] = call(cloud, "GET", f"pools/{pool_id}/members").json()["members"]
    return made["id"], pool_id, one["id"]


# The API refuses.


def test_01_a_busy_load_balancer(cloud):
    cloud.faults.add(resource="listener", operation="create", status=409, times=3)
    body = {"listener": {"loadbalancer_id": balancer(cloud), "protocol": "HTTP", "protocol_port": 80}}
    assert [call(cloud, "POST", "listeners", body).status_code for _ in range(4)] == [409, 409, 409, 201]


def test_02_an_overloaded_api_that_says_when_to_come_back(cloud):
    cloud.faults.add(service="load-balancer", status=503, retry_after=2, times=1)
    answer = create(cloud)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


def test_03_a_crash_in_the_api(cloud):
    cloud.faults.add(resource="loadbalancer", operation="list", status=500, times=1)
    assert call(cloud, "GET", "loadbalancers").status_code == 500


def test_04_a_proxy_that_gives_up(cloud):
    cloud.faults.add(resource="loadbalancer", operation="create", status=504, times=1)
    assert create(cloud).status_code == 504


def test_05_too_many_requests(cloud):
    cloud.faults.add(service="load-balancer", status=429, retry_after=1, after=2)
    assert [call(cloud, "GET", "pools").status_code for _ in range(4)] == [200, 200, 429, 429]


def test_06_a_token_that_expires_in_the_middle(cloud):
    cloud.faults.add(service="load-balancer", status=401, after=1, times=1)
    assert [call(cloud, "GET", "pools").status_code for _ in range(3)] == [200, 401, 200]


def test_07_a_quota_that_is_met(cloud):
    words = "Quota has been met for resources: Load Balancer"
    cloud.faults.add(resource="loadbalancer", operation="create", status=403, message=words)
    assert create(cloud).json()["faultstring"] == words


def test_08_chance(cloud):
    cloud.faults.add(service="load-balancer", status=503, probability=0.5, seed=7)
    first = [call(cloud, "GET", "pools").status_code for _ in range(20)]
    cloud.faults.clear()
    cloud.faults.add(service="load-balancer", status=503, probability=0.5, seed=7)
    assert [call(cloud, "GET", "pools").status_code for _ in range(20)] == first
    assert set(first) == {200, 503}


# The network fails.


def test_09_a_slow_api(cloud):
    cloud.faults.add(service="load-balancer", delay=0.3, times=1)
    assert call(cloud, "GET", "pools").elapsed.total_seconds() >= 0.3


def test_10_a_request_that_times_out(cloud):
    cloud.faults.add(resource="loadbalancer", operation="list", delay=3, times=1)
    with pytest.raises(requests.ReadTimeout):
        call(cloud, "GET", "loadbalancers", timeout=0.5)


def test_11_a_connection_that_breaks(cloud):
    cloud.faults.add(resource="loadbalancer", operation="create", drop="before", times=1)
    with pytest.raises(requests.ConnectionError):
        create(cloud)
    assert call(cloud, "GET", "loadbalancers").json()["loadbalancers"] == []


def test_12_a_lost_answer(cloud):
    """The load balancer is there, and the client does not know it."""
    cloud.faults.add(resource="loadbalancer", operation="create", drop="after", times=1)
    with pytest.raises(requests.ConnectionError):
        create(cloud)
    assert len(call(cloud, "GET", "loadbalancers").json()["loadbalancers"]) == 1


# Another service fails.


def test_13_a_login_that_fails(cloud):
    cloud.faults.add(service="identity", status=503, times=1)
    answer = requests.get(f"{cloud.url}/identity/v3/users", headers={"X-Auth-Token": cloud.token}, timeout=10)
    assert answer.status_code == 503


def test_14_a_network_service_that_is_down(cloud):
    cloud.faults.add(service="network", status=503, times=1)
    answer = requests.get(f"{cloud.url}/networking/v2.0/subnets", headers={"X-Auth-Token": cloud.token}, timeout=10)
    assert "NeutronError" in answer.json()


# A change takes long, or fails.


def test_15_a_slow_creation(cloud):
    cloud.pace(resource="loadbalancer", operation="create", polls=2)
    made = balancer(cloud)
    assert [status(cloud, made) for _ in range(2)] == ["PENDING_CREATE", "PENDING_CREATE"]
    cloud.wait_until(lambda: status(cloud, made) == "ACTIVE")


def test_16_a_change_that_never_ends(cloud):
    cloud.pace(resource="loadbalancer", operation="create", manual=True)
    made = balancer(cloud)
    assert status(cloud, made) == "PENDING_CREATE"
    cloud.release(made)
    cloud.wait_until(lambda: status(cloud, made) == "ACTIVE")


def test_17_a_creation_that_ends_in_error(cloud):
    cloud.pace(resource="loadbalancer", operation="create", outcome="ERROR", reason="no valid host")
    assert status(cloud, balancer(cloud)) == "ERROR"


def test_18_a_deletion_that_takes_long(cloud):
    made = balancer(cloud)
    cloud.pace(resource="loadbalancer", operation="delete", polls=1)
    assert call(cloud, "DELETE", f"loadbalancers/{made}").status_code == 204
    assert status(cloud, made) == "PENDING_DELETE"
    cloud.wait_until(lambda: status(cloud, made) == "DELETED")


# What carries the traffic fails.


def test_19_a_member_that_fails_its_health_checks(cloud):
    _, pool, one = member(cloud)
    for wanted in ("ERROR", "ONLINE"):
        cloud.server.testing.ask("PUT", f"/members/{one}", {"member": {"operating_status": wanted}})
        found = call(cloud, "GET", f"pools/{pool}/members/{one}").json()["member"]
        assert found["operating_status"] == wanted


@pytest.mark.lbclient(mode="traffic")
def test_20_an_amphora_that_crashes(cloud):
    backend = cloud.backend("hello")
    pool = {"name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    pool["members"] = [{"address": backend.address, "protocol_port": backend.port}]
    listener = {"protocol": "HTTP", "protocol_port": 8080, "default_pool": pool}
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet["id"], "listeners": [listener]}}
    made = call(cloud, "POST", "loadbalancers", body).json()["loadbalancer"]
    cloud.wait_until(lambda: status(cloud, made["id"]) == "ACTIVE")
    admin = cloud.server.testing.ask("POST", "/projects", {"project": {"roles": ["admin"]}})["project"]
    headers = {"X-Auth-Token": admin["token"]}
    amphorae = requests.get(f"{cloud.url}/v2.0/octavia/amphorae", headers=headers, timeout=10).json()["amphorae"]
    [amphora] = [each["id"] for each in amphorae if each["loadbalancer_id"] == made["id"]]
    assert cloud.server.testing.ask("POST", f"/amphorae/{amphora}/kill")["amphora"]["killed"] > 0
    cloud.wait_until(lambda: answers(cloud, f"http://{made['vip_address']}:8080/"), 30)


def answers(cloud, url):
    try:
        return cloud.traffic(url, 1) == ["hello"]
    except requests.ConnectionError:
        return False
