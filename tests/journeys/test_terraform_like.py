"""The requests of Terraform's OpenStack provider in its order: plan, apply, apply again, destroy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gopher import Gopher, answers, sites
from running import RunningServer, wait_until


@pytest.fixture
def terraform(server: RunningServer) -> Gopher:
    return Gopher(server)


@pytest.fixture
def ports() -> Iterator[list[int]]:
    with sites(2) as ports:
        yield ports


class Resources:
    """The provider's state of each resource: an ID, and the path of its objects."""

    def __init__(self, gopher: Gopher) -> None:
        self.gopher = gopher
        self.loadbalancer_id = ""

    def create(self, collection: str, key: str, **values: Any) -> Any:
        """Made, then read until ACTIVE, between looks at the load balancer; what it was given is what it shows."""
        if self.loadbalancer_id:
            self.gopher.active(f"loadbalancers/{self.loadbalancer_id}")
        made = self.gopher.lb("POST", collection, {key: values})[key]
        if key == "loadbalancer":
            self.loadbalancer_id = made["id"]
        return self.read(f"{collection}/{made['id']}", values)

    def update(self, path: str, key: str, **values: Any) -> Any:
        self.gopher.active(f"loadbalancers/{self.loadbalancer_id}")
        self.gopher.lb("PUT", path, {key: values})
        return self.read(path, values)

    def read(self, path: str, given: dict[str, Any]) -> Any:
        self.gopher.active(f"loadbalancers/{self.loadbalancer_id}")
        shown = self.gopher.active(path)
        # A difference here is a plan that never comes to rest. Parents are lists of IDs; Go reads null as empty.
        parents = {"loadbalancer_id": "loadbalancers", "listener_id": "listeners", "pool_id": "pools"}
        for name, value in given.items():
            if name in parents and name not in shown:
                assert shown[parents[name]] == [{"id": value}]
            else:
                assert shown[name] == value or not (shown[name] or value), name
        return shown

    def destroy(self, path: str) -> None:
        self.gopher.active(f"loadbalancers/{self.loadbalancer_id}")
        self.gopher.lb("DELETE", path)
        self.gopher.gone(path)


def test_apply_change_destroy(terraform: Gopher, ports: list[int]) -> None:
    resources = Resources(terraform)
    balancer = balanced(terraform, resources)
    listener = resources.create(
        "listeners",
        "listener",
        name="http",
        protocol="HTTP",
        protocol_port=8080,
        loadbalancer_id=balancer["id"],
        connection_limit=100,
        insert_headers={"X-Forwarded-For": "true"},
        allowed_cidrs=["127.0.0.0/8"],
        timeout_client_data=60000,
        admin_state_up=True,
    )
    pool = pooled(resources, listener)
    url = f"http://{balancer['vip_address']}:8080/"
    batch(terraform, resources, pool, ports, url)
    pages = paged(resources, listener, url)
    changed(resources, listener, pool, url)
    floating = floated(terraform, balancer)
    for path in [*pages, f"pools/{pool['id']}", f"listeners/{listener['id']}", f"loadbalancers/{balancer['id']}"]:
        destroyed(terraform, resources, path)
    assert terraform.send("GET", f"v2.0/ports/{balancer['vip_port_id']}", service="network").status_code == 404
    assert terraform.net("GET", f"floatingips/{floating}")["floatingip"]["port_id"] is None
    terraform.net("DELETE", f"floatingips/{floating}")
    assert terraform.send("DELETE", f"v2.0/lbaas/loadbalancers/{balancer['id']}").status_code == 404


def destroyed(terraform: Gopher, resources: Resources, path: str) -> None:
    if path.startswith("loadbalancers/"):
        terraform.lb("DELETE", path)
        terraform.gone(path)
    else:
        resources.destroy(path)


def balanced(terraform: Gopher, resources: Resources) -> Any:
    """openstack_lb_loadbalancer_v2, whose security groups are set on its port afterwards."""
    subnet = terraform.found("subnets", "private-subnet")
    balancer = resources.create(
        "loadbalancers",
        "loadbalancer",
        name="web",
        vip_subnet_id=subnet["id"],
        vip_network_id=subnet["network_id"],
        admin_state_up=True,
        tags=["a", "b"],
    )
    group = terraform.net("POST", "security-groups", {"security_group": {"name": "web"}})["security_group"]["id"]
    port = f"ports/{balancer['vip_port_id']}"
    terraform.net("PUT", port, {"port": {"security_groups": [group]}})
    assert terraform.net("GET", port)["port"]["security_groups"] == [group]
    resources.update(f"loadbalancers/{balancer['id']}", "loadbalancer", name="shop", tags=[])
    assert terraform.net("GET", port)["port"]["security_groups"] == [group]
    return balancer


def pooled(resources: Resources, listener: Any) -> Any:
    """openstack_lb_pool_v2 and openstack_lb_monitor_v2."""
    pool = resources.create(
        "pools",
        "pool",
        name="pool",
        protocol="HTTP",
        lb_algorithm="ROUND_ROBIN",
        listener_id=listener["id"],
        admin_state_up=True,
    )
    assert resources.gopher.active(f"listeners/{listener['id']}")["default_pool_id"] == pool["id"]
    monitor = resources.create(
        "healthmonitors",
        "healthmonitor",
        name="health",
        pool_id=pool["id"],
        type="HTTP",
        delay=5,
        timeout=4,
        max_retries=2,
        max_retries_down=2,
        url_path="/health",
        http_method="GET",
        expected_codes="200-299",
        admin_state_up=True,
    )
    assert resources.gopher.active(f"pools/{pool['id']}")["healthmonitor_id"] == monitor["id"]
    resources.update(f"healthmonitors/{monitor['id']}", "healthmonitor", delay=6, name="checks")
    return pool


def batch(terraform: Gopher, resources: Resources, pool: Any, ports: list[int], url: str) -> None:
    """openstack_lb_members_v2: all members of a pool in one request; then openstack_lb_member_v2: one at a time."""
    path = f"pools/{pool['id']}/members"
    wanted = [{"address": "127.0.0.1", "protocol_port": port, "weight": 1, "admin_state_up": True} for port in ports]
    answer = terraform.send("PUT", f"v2.0/lbaas/{path}", {"members": wanted})
    assert answer.status_code == 202, answer.text
    terraform.active(f"pools/{pool['id']}")
    wait_until(lambda: answers(url) == {str(port) for port in ports})
    before = {member["protocol_port"]: member["id"] for member in terraform.lb("GET", path)["members"]}
    terraform.lb("PUT", path, {"members": [{**wanted[0], "weight": 5}]})
    terraform.active(f"pools/{pool['id']}")
    [left] = terraform.lb("GET", path)["members"]
    assert (left["id"], left["weight"]) == (before[ports[0]], 5)
    assert answers(url) == {str(ports[0])}
    second = resources.create(path, "member", name="two", address="127.0.0.1", protocol_port=ports[1], weight=2)
    resources.update(f"{path}/{second['id']}", "member", weight=0, monitor_port=ports[1], backup=False)
    assert answers(url) == {str(ports[0])}
    resources.destroy(f"{path}/{second['id']}")
    terraform.lb("PUT", path, {"members": wanted})
    terraform.active(f"pools/{pool['id']}")


def paged(resources: Resources, listener: Any, url: str) -> list[str]:
    """openstack_lb_l7policy_v2 and openstack_lb_l7rule_v2; their paths, what is destroyed first in front."""
    policy = resources.create(
        "l7policies",
        "l7policy",
        name="closed",
        action="REDIRECT_TO_URL",
        redirect_url="http://elsewhere.example/",
        position=1,
        listener_id=listener["id"],
        admin_state_up=True,
    )
    rules = f"l7policies/{policy['id']}/rules"
    rule = resources.create(rules, "rule", type="PATH", compare_type="STARTS_WITH", value="/old", invert=False)
    assert policy["id"] in [each["id"] for each in resources.gopher.active(f"listeners/{listener['id']}")["l7policies"]]
    wait_until(lambda: answers(f"{url}old") == {"302"})
    resources.update(f"{rules}/{rule['id']}", "rule", value="/older", invert=False)
    wait_until(lambda: "302" not in answers(f"{url}old"))
    # A redirect to a pool or prefix is replaced by the other, not kept beside it.
    resources.update(f"l7policies/{policy['id']}", "l7policy", action="REJECT", name="shut")
    assert resources.gopher.active(f"l7policies/{policy['id']}")["redirect_url"] is None
    wait_until(lambda: answers(f"{url}older") == {"403"})
    return [f"{rules}/{rule['id']}", f"l7policies/{policy['id']}"]


def changed(resources: Resources, listener: Any, pool: Any, url: str) -> None:
    """Update the attributes that can be changed in place; arguments left out of the configuration are reset."""
    path = f"listeners/{listener['id']}"
    resources.update(path, "listener", allowed_cidrs=["192.0.2.0/24"], connection_limit=-1, insert_headers={})
    wait_until(lambda: answers(url) == {"403"})
    resources.update(path, "listener", allowed_cidrs=[], timeout_client_data=50000)
    wait_until(lambda: "403" not in answers(url))
    resources.update(path, "listener", default_pool_id=None)
    wait_until(lambda: answers(url) == {"503"})
    resources.update(path, "listener", default_pool_id=pool["id"])
    persistence = {"type": "APP_COOKIE", "cookie_name": "who"}
    shown = resources.update(f"pools/{pool['id']}", "pool", lb_algorithm="LEAST_CONNECTIONS")
    assert shown["session_persistence"] is None
    resources.gopher.lb("PUT", f"pools/{pool['id']}", {"pool": {"session_persistence": persistence}})
    shown = resources.gopher.active(f"pools/{pool['id']}")["session_persistence"]
    assert {name: shown[name] for name in persistence} == persistence
    resources.update(f"pools/{pool['id']}", "pool", session_persistence=None)


def floated(terraform: Gopher, balancer: Any) -> str:
    """openstack_networking_floatingip_v2 and its association."""
    public = terraform.found("networks", "public-net")
    body = {"floatingip": {"floating_network_id": public["id"]}}
    floating = terraform.net("POST", "floatingips", body)["floatingip"]
    associated = terraform.net(
        "PUT", f"floatingips/{floating['id']}", {"floatingip": {"port_id": balancer["vip_port_id"]}}
    )["floatingip"]
    assert associated["fixed_ip_address"] == balancer["vip_address"]
    wait_until(lambda: answers(f"http://{floating['floating_ip_address']}:8080/") - {"refused", "503"})
    return str(floating["id"])


def test_quotas_are_set_by_an_admin(server: RunningServer, terraform: Gopher) -> None:
    """openstack_lb_quota_v2: every limit is in the first answer, and a project with no limits of its own shows some."""
    admin = Gopher(server, "lbclient-admin")
    path = f"quotas/{terraform.project_id}"
    limits = {"loadbalancer": 1, "listener": 2, "pool": 3, "member": 4, "healthmonitor": 5, "l7policy": 6, "l7rule": 7}
    assert admin.lb("PUT", path, {"quota": limits})["quota"].items() >= limits.items()
    assert terraform.lb("GET", path)["quota"].items() >= limits.items()
    assert terraform.send("PUT", f"v2.0/lbaas/{path}", {"quota": limits}).status_code == 403
    admin.lb("DELETE", path)
    assert terraform.lb("GET", path)["quota"]["loadbalancer"] == -1
