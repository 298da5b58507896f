"""Quotas of objects beside load balancers, which the server's options set for every project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

NEUTRON = "/networking/v2.0"
V1 = "/key-manager/v1"

Make = Callable[..., Any]


def made(make_front: Make, **quotas: int) -> Any:
    return make_front("10.0.0.0/24", "203.0.113.0/24", quotas=quotas)


@pytest.mark.parametrize(
    ("name", "path", "values"),
    [
        ("network", "networks", {}),
        ("router", "routers", {}),
        ("security_group", "security-groups", {"name": "g"}),
        ("qos_policy", "qos/policies", {"name": "q"}),
    ],
)
def test_a_project_has_no_more_of_the_network_api_than_its_quota(
    make_front: Make, name: str, path: str, values: Any
) -> None:
    front = made(make_front, **{name: 2})
    person, key = front.demo, {"qos_policy": "policy"}.get(name, name)
    mine = f"{NEUTRON}/{path}?project_id={person.login.project_id}"
    plural = next(iter(person.get(mine)))
    first: str | None = None
    while len(person.get(mine)[plural]) < 2:  # a project has a default security group
        first = person.made(f"{NEUTRON}/{path}", key, **values)["id"]
    said = f"Quota exceeded for resources: ['{name}']."
    assert person.refused(409, "POST", f"{NEUTRON}/{path}", {key: values}) == said
    assert len(person.get(mine)[plural]) == 2
    person.deleted(f"{NEUTRON}/{path}/{first}")
    assert person.refused(409, "POST", f"{NEUTRON}/{path}", {plural: [values, values]}) == said
    person.made(f"{NEUTRON}/{path}", key, **values)
    front.admin.made(f"{NEUTRON}/{path}", key, **values, project_id="f" * 32)  # which has a quota of its own


def test_ports_of_vips_count_but_are_bounded_by_load_balancers_alone(make_front: Make) -> None:
    front = made(make_front, port=0)
    subnet = front.demo.get(f"{NEUTRON}/subnets?name=private-subnet")["subnets"][0]
    balancer = {"vip_subnet_id": subnet["id"]}
    front.demo.made("/load-balancer/v2.0/lbaas/loadbalancers", "loadbalancer", **balancer)
    port = {"port": {"network_id": subnet["network_id"]}}
    assert "['port']" in front.demo.refused(409, "POST", f"{NEUTRON}/ports", port)


def test_a_project_has_no_more_of_the_key_manager_than_its_quota(make_front: Make) -> None:
    person = made(make_front, secret=1, container=0).demo
    project_id = person.login.project_id
    first = person.ask("POST", f"{V1}/secrets", {})
    assert first.status_code == 201
    said = f"Quota reached for project {project_id}. Only 1 secrets are allowed"
    assert person.refused(403, "POST", f"{V1}/secrets", {}) == said
    body = {"type": "generic", "secret_refs": []}
    said = f"Quota reached for project {project_id}. Only 0 containers are allowed"
    assert person.refused(403, "POST", f"{V1}/containers", body) == said
    path = first.json["secret_ref"]
    person.deleted(path[path.index("/key-manager") :])
    assert person.ask("POST", f"{V1}/secrets", {}).status_code == 201


def test_the_network_api_tells_the_quotas(make_front: Make) -> None:
    person = made(make_front, network=7, loadbalancer=3).demo
    found = person.get(f"{NEUTRON}/quotas/{person.login.project_id}")["quota"]
    assert (found["network"], found["subnet"], "loadbalancer" in found) == (7, -1, False)
    shown = person.get(f"/load-balancer/v2.0/lbaas/quotas/{person.login.project_id}")["quota"]
    assert (shown["loadbalancer"], shown["pool"], "network" in shown) == (3, -1, False)
