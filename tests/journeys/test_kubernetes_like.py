"""The requests of Kubernetes' OpenStack cloud provider for Services of type LoadBalancer, in its order."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from gopher import Gopher, answers, sites
from running import RunningServer, wait_until

NAME = "kube_service_kubernetes_default_web"
OTHER = "kube_service_kubernetes_default_other"
FEATURES = {"tags": (2, 5), "VIP ACL": (2, 12), "flavors": (2, 6), "timeouts": (2, 1), "zones": (2, 14)}
TIMEOUTS = {"timeout_client_data": 50000, "timeout_member_connect": 5000, "timeout_member_data": 50000}


@pytest.fixture
def ports() -> Iterator[list[int]]:
    with sites(2) as ports:
        yield ports


class Service:
    """A Service as the controller knows it, and the calls that make a load balancer match it."""

    def __init__(self, gopher: Gopher, nodes: list[int]) -> None:
        self.gopher = gopher
        self.subnet = gopher.found("subnets", "private-subnet")
        self.nodes = nodes

    def members(self, nodes: list[int], health_port: int | None = None) -> list[dict[str, Any]]:
        monitored = {} if health_port is None else {"monitor_port": health_port}
        return [
            {"name": f"node-{port}", "address": "127.0.0.1", "protocol_port": port, **monitored}
            | {"subnet_id": self.subnet["id"]}
            for port in nodes
        ]

    def listener(self, port: int, protocol: str = "TCP") -> dict[str, Any]:
        named = {"name": f"listener_{port}", "protocol": protocol, "protocol_port": port}
        return {**named, "connection_limit": -1, "tags": [NAME], "allowed_cidrs": ["0.0.0.0/0"], **TIMEOUTS}

    def pool(self, listener: dict[str, Any]) -> dict[str, Any]:
        """With its members and its monitor, as a request for a whole load balancer has it."""
        protocol, port = listener["protocol"], listener["protocol_port"]
        monitor = {"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 1, "max_retries_down": 3}
        return {
            "name": f"{protocol}_{port}_pool",
            "protocol": protocol,
            "lb_algorithm": "ROUND_ROBIN",
            "session_persistence": {"type": "SOURCE_IP"},
            "members": self.members(self.nodes),
            "healthmonitor": {"name": f"monitor_{port}", **monitor},
        }

    def whole(self) -> Any:
        """The load balancer of two ports, made in one request."""
        listeners = [self.listener(port) for port in (8080, 8081)]
        body = {
            "name": NAME,
            "description": "Kubernetes external service default/web from cluster kubernetes",
            "tags": [NAME],
            "vip_subnet_id": self.subnet["id"],
            "vip_network_id": self.subnet["network_id"],
            "provider": "octavia",
            "listeners": [{**each, "default_pool": self.pool(each)} for each in listeners],
        }
        made = self.gopher.lb("POST", "loadbalancers", {"loadbalancer": body})["loadbalancer"]
        return self.gopher.active(f"loadbalancers/{made['id']}")


def test_what_the_cloud_can_do_is_read_from_its_versions(server: RunningServer) -> None:
    gopher = Gopher(server)
    versions = gopher.ask("GET", "")["versions"]
    newest = tuple(int(part) for part in versions[-1]["id"].removeprefix("v").split("."))
    assert {feature for feature, since in FEATURES.items() if newest >= since} == set(FEATURES)
    assert "octavia" in [each["name"] for each in gopher.lb("GET", "providers")["providers"]]


def test_a_service_from_its_first_to_its_last_day(server: RunningServer, ports: list[int]) -> None:
    gopher = Gopher(server)
    service = Service(gopher, ports)
    assert gopher.lb("GET", f"loadbalancers?name={NAME}")["loadbalancers"] == []
    balancer = service.whole()
    [found] = gopher.lb("GET", f"loadbalancers?name={NAME}")["loadbalancers"]
    assert (found["id"], found["tags"]) == (balancer["id"], [NAME])
    public = published(gopher, balancer)
    for port in (8080, 8081):
        wait_until(lambda port=port: answers(f"http://{public}:{port}/") <= {str(each) for each in ports})
    guarded(gopher, balancer)
    reconciled(service, balancer, ports)
    shared(service, balancer)
    proxied(service, balancer)
    removed(gopher, balancer)


def published(gopher: Gopher, balancer: Any) -> str:
    """A floating IP on the VIP's port: found, or made with the port in the request."""
    port = balancer["vip_port_id"]
    assert gopher.net("GET", f"floatingips?port_id={port}")["floatingips"] == []
    network = gopher.found("networks", "public-net")
    [subnet] = gopher.net("GET", f"subnets?network_id={network['id']}")["subnets"]
    wanted = {"floating_network_id": network["id"], "subnet_id": subnet["id"], "port_id": port}
    described = {**wanted, "description": "Floating IP for Kubernetes external service default/web"}
    made = gopher.net("POST", "floatingips", {"floatingip": described})["floatingip"]
    [found] = gopher.net("GET", f"floatingips?port_id={port}")["floatingips"]
    assert found["floating_ip_address"] == made["floating_ip_address"]
    again = gopher.send("PUT", f"v2.0/floatingips/{made['id']}", {"floatingip": {"port_id": port}}, "network")
    assert again.status_code == 200
    return str(made["floating_ip_address"])


def guarded(gopher: Gopher, balancer: Any) -> None:
    """The security group that the controller keeps for the nodes."""
    group = gopher.net("POST", "security-groups", {"security_group": {"name": f"lb-sg-{NAME}"}})["security_group"]
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    ranged = {**rule, "port_range_min": 30000, "port_range_max": 30001, "ethertype": "IPv4"}
    ranged["remote_ip_prefix"] = f"{balancer['vip_address']}/32"
    gopher.net("POST", "security-group-rules", {"security_group_rule": ranged})
    [found] = gopher.net("GET", f"security-group-rules?security_group_id={group['id']}&direction=ingress")[
        "security_group_rules"
    ]
    twice = gopher.send("POST", "v2.0/security-group-rules", {"security_group_rule": ranged}, "network")
    assert twice.status_code == 409  # which it takes for done
    gopher.net("DELETE", f"security-group-rules/{found['id']}")
    gopher.net("DELETE", f"security-groups/{group['id']}")


def owned(gopher: Gopher, balancer: Any, port: int) -> tuple[Any, Any]:
    """A listener and its pool, found as the controller finds them."""
    listeners = gopher.lb("GET", f"listeners?loadbalancer_id={balancer['id']}")["listeners"]
    [listener] = [each for each in listeners if each["protocol_port"] == port]
    pools = gopher.lb("GET", f"pools?loadbalancer_id={balancer['id']}")["pools"]
    [pool] = [each for each in pools if {"id": listener["id"]} in each["listeners"]]
    return listener, pool


def reconciled(service: Service, balancer: Any, ports: list[int]) -> None:
    """Source ranges, timeouts, nodes and the health check of a Service change."""
    gopher, path = service.gopher, f"loadbalancers/{balancer['id']}"
    listener, pool = owned(gopher, balancer, 8080)
    url = f"http://{balancer['vip_address']}:8080/"
    update = {"allowed_cidrs": ["192.0.2.0/24", "127.0.0.1/32"], "timeout_client_data": 70000, "tags": [NAME, "x"]}
    gopher.lb("PUT", f"listeners/{listener['id']}", {"listener": update})
    gopher.active(path)
    assert gopher.active(f"listeners/{listener['id']}").items() >= update.items()
    assert answers(url) <= {str(port) for port in ports}
    gopher.lb("PUT", f"listeners/{listener['id']}", {"listener": {"allowed_cidrs": ["192.0.2.0/24"]}})
    gopher.active(path)
    wait_until(lambda: answers(url) == {"refused"})
    gopher.lb("PUT", f"listeners/{listener['id']}", {"listener": {"allowed_cidrs": ["0.0.0.0/0"]}})
    members = f"pools/{pool['id']}/members"
    answer = gopher.send("PUT", f"v2.0/lbaas/{members}", {"members": service.members(ports[1:], ports[1])})
    assert answer.status_code == 202, answer.text
    gopher.active(path)
    [left] = gopher.lb("GET", members)["members"]
    assert (left["name"], left["monitor_port"]) == (f"node-{ports[1]}", ports[1])
    wait_until(lambda: answers(url) == {str(ports[1])})
    # externalTrafficPolicy becomes Local: the monitor is of another type, which is another monitor.
    gopher.lb("PUT", f"healthmonitors/{pool['healthmonitor_id']}", {"healthmonitor": {"delay": 6, "max_retries": 2}})
    gopher.active(path)
    gopher.lb("DELETE", f"healthmonitors/{pool['healthmonitor_id']}")
    gopher.active(path)
    monitor = {
        "name": "monitor",
        "pool_id": pool["id"],
        "type": "HTTP",
        "url_path": "/healthz",
        "expected_codes": "200",
    }
    limits = {"http_method": "GET", "delay": 5, "timeout": 3, "max_retries": 1}
    made = gopher.lb("POST", "healthmonitors", {"healthmonitor": {**monitor, **limits}})["healthmonitor"]
    gopher.active(path)
    assert gopher.active(f"pools/{pool['id']}")["healthmonitor_id"] == made["id"]


def shared(service: Service, balancer: Any) -> None:
    """Another Service uses the same load balancer, which has the names of both as tags, and leaves it again."""
    gopher, path = service.gopher, f"loadbalancers/{balancer['id']}"
    gopher.lb("PUT", path, {"loadbalancer": {"tags": [NAME, OTHER]}})
    assert sorted(gopher.active(path)["tags"]) == sorted([NAME, OTHER])
    assert gopher.lb("GET", f"loadbalancers?tags={OTHER}")["loadbalancers"][0]["id"] == balancer["id"]
    listener = {**service.listener(9053, "UDP"), "loadbalancer_id": balancer["id"], "tags": [OTHER]}
    made = gopher.lb("POST", "listeners", {"listener": listener})["listener"]
    gopher.active(path)
    pool = {"name": "other", "protocol": "UDP", "lb_algorithm": "SOURCE_IP", "listener_id": made["id"]}
    pool = gopher.lb("POST", "pools", {"pool": pool})["pool"]
    gopher.active(path)
    monitor = {"pool_id": pool["id"], "type": "UDP-CONNECT", "delay": 5, "timeout": 3, "max_retries": 1}
    gopher.lb("POST", "healthmonitors", {"healthmonitor": monitor})
    gopher.active(path)
    gopher.lb("PUT", f"pools/{pool['id']}/members", {"members": service.members(service.nodes)})
    gopher.active(path)
    listeners = gopher.lb("GET", f"listeners?loadbalancer_id={balancer['id']}")["listeners"]
    assert [each["id"] for each in listeners if OTHER in each["tags"]] == [made["id"]]
    for leaving in (f"pools/{pool['id']}", f"listeners/{made['id']}"):
        gopher.lb("DELETE", leaving)
        gopher.active(path)
    gopher.lb("PUT", path, {"loadbalancer": {"tags": [NAME]}})
    gopher.active(path)


def proxied(service: Service, balancer: Any) -> None:
    """A pool has to be replaced for the PROXY protocol; its members are told the client's address."""
    gopher, path = service.gopher, f"loadbalancers/{balancer['id']}"
    listener, pool = owned(gopher, balancer, 8081)
    gopher.lb("DELETE", f"pools/{pool['id']}")
    gopher.active(path)
    assert gopher.active(f"listeners/{listener['id']}")["default_pool_id"] is None
    wanted = {"name": "proxy", "protocol": "PROXY", "lb_algorithm": "ROUND_ROBIN", "listener_id": listener["id"]}
    made = gopher.lb("POST", "pools", {"pool": wanted})["pool"]
    gopher.active(path)
    with socket.create_server(("127.0.0.1", 0)) as node:
        node.settimeout(10)
        gopher.lb("PUT", f"pools/{made['id']}/members", {"members": service.members([node.getsockname()[1]])})
        gopher.active(path)
        with socket.create_connection((balancer["vip_address"], 8081), timeout=10) as client:
            client.sendall(b"hello")
            taken, _ = node.accept()
            with taken:
                taken.settimeout(10)
                assert taken.recv(200).startswith(b"PROXY TCP4 ")


def removed(gopher: Gopher, balancer: Any) -> None:
    """The floating IP first, then the load balancer with all that it has."""
    [floating] = gopher.net("GET", f"floatingips?port_id={balancer['vip_port_id']}")["floatingips"]
    gopher.net("DELETE", f"floatingips/{floating['id']}")
    assert gopher.send("DELETE", f"v2.0/lbaas/loadbalancers/{balancer['id']}").status_code == 400
    gopher.lb("DELETE", f"loadbalancers/{balancer['id']}?cascade=true")
    gopher.gone(f"loadbalancers/{balancer['id']}")
    for collection in ("loadbalancers", "listeners", "pools", "healthmonitors"):
        assert gopher.lb("GET", collection)[collection] == []
    assert gopher.send("GET", f"v2.0/ports/{balancer['vip_port_id']}", service="network").status_code == 404
