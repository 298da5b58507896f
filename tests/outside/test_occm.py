"""Kubernetes Services of type LoadBalancer, by the genuine OpenStack cloud controller manager and a small one of ours.

The genuine one needs LBCLIENT_OCCM, the path of its binary. Both work against a kube-apiserver of ours, and the tests
ask for the same of both.
"""

from __future__ import annotations

import os
import secrets
import socket
import socketserver
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from members import Web

from gopher import Gopher
from kubernetes import Kubernetes, cluster
from running import RunningServer, end_server, start_server, wait_until
from small_controller import SmallController

OCCM = os.environ.get("LBCLIENT_OCCM")
OURS = "loadbalancer.openstack.org"
INTERNAL = "service.beta.kubernetes.io/openstack-internal-load-balancer"
SECONDS = 120
EVERYTHING = ("loadbalancers", "listeners", "pools", "healthmonitors")
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"

Json = dict[str, Any]


class Proxied(socketserver.ThreadingTCPServer):
    """A web server that answers with the client's address out of the PROXY protocol, version 2."""

    allow_reuse_address = True
    daemon_threads = True

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = self.rfile.read(16)
            if head[:12] != SIGNATURE:
                return
            block = self.rfile.read(struct.unpack("!H", head[14:])[0])
            if not block:
                return  # a health check, which has no client
            self.rfile.readline()
            text = socket.inet_ntoa(block[:4]).encode()
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))


class Datagrams(socketserver.ThreadingUDPServer):
    """A server that sends its name back."""

    allow_reuse_address = True
    daemon_threads = True

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request[1].sendto(b"udp", self.client_address)


class Cluster:
    """The nodes with what runs on them, the Services, and the cloud below."""

    def __init__(self, kubernetes: Kubernetes, gopher: Gopher) -> None:
        self.kubernetes = kubernetes
        self.gopher = gopher
        self.prefix = f"127.{secrets.randbelow(20) + 220}.{secrets.randbelow(250)}"
        self.nodes = {f"node-{number}": f"{self.prefix}.{number}" for number in (1, 2)}
        self.opened: list[Any] = []
        self._ports = iter(range(30100, 30200))
        for name, address in self.nodes.items():
            self.kubernetes.apply("nodes", self.node(name, address))

    def node(self, name: str, address: str) -> Json:
        return {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {"providerID": f"openstack:///{secrets.token_hex(16)}"},
            "status": {
                "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}],
            },
        }

    def webs(self) -> int:
        """Start a web server on each node, and return their port; each answers with its node's name."""
        port = next(self._ports)
        self.opened += [Web(name, port, address) for name, address in self.nodes.items()]
        return port

    def listen(self, server: type[socketserver.BaseServer]) -> int:
        """Start a server of sockets on each node, and return their port."""
        port = next(self._ports)
        for address in self.nodes.values():
            made = server((address, port), server.Handler)  # type: ignore[attr-defined]
            threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
            self.opened.append(made)
        return port

    def service(
        self, name: str, node_port: int, annotations: Json | None = None, port: int = 8080, **spec: Any
    ) -> None:
        """Create a Service, or change it."""
        ports = [{"name": "p", "protocol": spec.pop("protocol", "TCP"), "port": port, "nodePort": node_port}]
        self.kubernetes.apply(
            "services",
            {
                "metadata": {"name": name, "namespace": "default", "annotations": annotations or {}},
                "spec": {
                    "type": "LoadBalancer",
                    "clusterIP": "10.96.0.10",
                    "externalTrafficPolicy": "Cluster",
                    "allocateLoadBalancerNodePorts": True,
                    "ports": ports,
                    **spec,
                },
            },
        )

    def address(self, name: str) -> str:
        """The address of a Service, once it has one."""
        found: list[Json] = []

        def is_there() -> bool:
            service = self.kubernetes.get("services", name, "default")
            assert service is not None
            found[:] = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
            return bool(found)

        wait_until(is_there, SECONDS)
        return str(found[0]["ip"])

    def seen(self, name: str, port: int = 8080) -> Json:
        """Return the request as a node's web server saw it, once a request to the Service is answered."""
        url = f"http://{self.address(name)}:{port}/"
        wait_until(lambda: status(url) == 200, SECONDS)
        return dict(fetched(url).json())

    def listener(self, port: int = 8080) -> Json:
        [found] = [each for each in self.gopher.lb("GET", "listeners")["listeners"] if each["protocol_port"] == port]
        return dict(found)

    def pool(self) -> Json:
        [found] = self.gopher.lb("GET", "pools")["pools"]
        return dict(found)

    def remove_all(self) -> None:
        """Delete the Services, and wait until they and what they had are gone."""
        for service in self.kubernetes.all("services")[0]:
            self.kubernetes.delete("services", service["metadata"]["name"], "default")
        wait_until(lambda: not self.kubernetes.all("services")[0], SECONDS)
        assert [self.gopher.lb("GET", each)[each] for each in EVERYTHING] == [[]] * 4
        assert self.gopher.net("GET", "floatingips")["floatingips"] == []

    def close(self) -> None:
        for each in self.opened:
            if isinstance(each, Web):
                each.down()
            else:
                each.shutdown()
                each.server_close()


def fetched(url: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=5)


def status(url: str) -> int:
    try:
        return fetched(url).status_code
    except requests.RequestException:
        return 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("occm") / "state")
    yield running
    end_server(running)


@pytest.fixture(scope="module", params=["small", "genuine"])
def clustered(
    server: RunningServer, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    if request.param == "genuine" and not OCCM:
        pytest.skip("LBCLIENT_OCCM does not name the binary of the OpenStack cloud controller manager")
    directory = tmp_path_factory.mktemp("cluster")
    gopher = Gopher(server)
    with cluster(directory / "kubeconfig") as kubernetes:
        made = Cluster(kubernetes, gopher)
        if request.param == "small":
            controller = SmallController(directory / "kubeconfig", gopher)
            yield made
            controller.stop()
            assert controller.failed == []
        else:
            process = genuine(server, gopher, directory)
            yield made
            process.terminate()
            process.wait(timeout=30)
        made.close()


def genuine(server: RunningServer, gopher: Gopher, directory: Path) -> subprocess.Popen[bytes]:
    """Start the OpenStack cloud controller manager; its log is in the directory."""
    auth = yaml.safe_load((server.state_directory / "clouds.yaml").read_text())["clouds"]["lbclient"]["auth"]
    subnet = gopher.found("subnets", "private-subnet")["id"]
    (directory / "cloud.conf").write_text(
        f"""[Global]
auth-url={auth["auth_url"]}/v3
username={auth["username"]}
password={auth["password"]}
tenant-name={auth["project_name"]}
domain-name=Default
region=RegionOne
[LoadBalancer]
subnet-id={subnet}
member-subnet-id={subnet}
floating-network-id={gopher.found("networks", "public-net")["id"]}
create-monitor=true
monitor-delay=3s
monitor-timeout=2s
monitor-max-retries=1
manage-security-groups=false
max-shared-lb=3
"""
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        str(OCCM),
        "--cloud-provider=openstack",
        f"--cloud-config={directory / 'cloud.conf'}",
        f"--kubeconfig={directory / 'kubeconfig'}",
        "--cluster-name=fake",
        "--controllers=service-lb-controller",
        "--leader-elect=false",
        "--authentication-skip-lookup=true",
        "--kube-api-content-type=application/json",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={directory}",
    ]
    with (directory / "occm.log").open("wb") as log:
        environment = {**os.environ, "KUBE_FEATURE_WatchListClient": "false"}
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


@pytest.fixture
def kube(clustered: Cluster) -> Iterator[Cluster]:
    yield clustered
    clustered.remove_all()


def test_a_service_has_a_floating_ip(kube: Cluster) -> None:
    kube.service("web", kube.webs())
    assert kube.seen("web")["name"] in kube.nodes
    [floating] = kube.gopher.net("GET", "floatingips")["floatingips"]
    assert kube.address("web") == floating["floating_ip_address"]


def test_x_forwarded_for(kube: Cluster) -> None:
    kube.service("headers", kube.webs(), {f"{OURS}/x-forwarded-for": "true"})
    assert dict(kube.seen("headers")["headers"])["x-forwarded-for"].startswith("127.")


def test_the_proxy_protocol(kube: Cluster) -> None:
    kube.service("proxied", kube.listen(Proxied), {f"{OURS}/proxy-protocol": "v2"})
    url = f"http://{kube.address('proxied')}:8080/"
    wait_until(lambda: status(url) == 200, SECONDS)
    assert fetched(url).text.startswith("127.")
    assert kube.pool()["protocol"] == "PROXYV2"


def test_an_internal_service_has_the_vip(kube: Cluster) -> None:
    kube.service("inside", kube.webs(), {INTERNAL: "true"})
    assert kube.seen("inside")["name"] in kube.nodes
    [balancer] = kube.gopher.lb("GET", "loadbalancers")["loadbalancers"]
    assert kube.address("inside") == balancer["vip_address"]
    assert kube.gopher.net("GET", "floatingips")["floatingips"] == []


def test_no_monitor_and_least_connections(kube: Cluster) -> None:
    notes = {f"{OURS}/enable-health-monitor": "false", f"{OURS}/lb-method": "LEAST_CONNECTIONS", INTERNAL: "true"}
    kube.service("plain", kube.webs(), notes)
    assert kube.seen("plain")["name"] in kube.nodes
    assert kube.pool()["lb_algorithm"] == "LEAST_CONNECTIONS"
    assert kube.gopher.lb("GET", "healthmonitors")["healthmonitors"] == []


def test_traffic_for_nodes_that_have_pods(kube: Cluster) -> None:
    """externalTrafficPolicy: Local; a node without pods fails its health check and gets nothing."""
    health = kube.webs()
    without = next(each for each in kube.opened if isinstance(each, Web) and each.port == health)
    port = kube.webs()
    without.down()
    spec: dict[str, Any] = {"externalTrafficPolicy": "Local", "healthCheckNodePort": health}
    kube.service("local", port, {INTERNAL: "true"}, **spec)
    kube.seen("local")
    url = f"http://{kube.address('local')}:8080/"
    [other] = set(kube.nodes) - {without.name}
    wait_until(lambda: {fetched(url).json()["name"] for _ in range(6)} == {other}, SECONDS)
    without.up()
    wait_until(lambda: {fetched(url).json()["name"] for _ in range(6)} == set(kube.nodes), SECONDS)


def test_udp(kube: Cluster) -> None:
    kube.service("names", kube.listen(Datagrams), {INTERNAL: "true"}, protocol="UDP")
    address = kube.address("names")

    def is_answered() -> bool:
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            try:
                client.sendto(b"?", (address, 8080))
                return client.recv(100) == b"udp"
            except OSError:
                return False

    wait_until(is_answered, SECONDS)


def test_two_services_share_a_load_balancer(kube: Cluster) -> None:
    kube.service("first", kube.webs())  # an internal one cannot share
    kube.seen("first")
    [balancer] = kube.gopher.lb("GET", "loadbalancers")["loadbalancers"]
    notes = {f"{OURS}/load-balancer-id": balancer["id"]}
    kube.service("second", kube.webs(), notes, port=8081)
    assert kube.seen("second", 8081)["name"] in kube.nodes
    assert kube.address("second") == kube.address("first")
    assert len(kube.gopher.lb("GET", "loadbalancers")["loadbalancers"]) == 1
    kube.kubernetes.delete("services", "second", "default")
    wait_until(lambda: kube.kubernetes.get("services", "second", "default") is None, SECONDS)
    assert [each["protocol_port"] for each in kube.gopher.lb("GET", "listeners")["listeners"]] == [8080]
    kube.seen("first")


def test_source_ranges_and_timeouts_are_changed(kube: Cluster) -> None:
    port = kube.webs()
    kube.service("web", port, {INTERNAL: "true"}, loadBalancerSourceRanges=["127.0.0.0/8"])
    kube.seen("web")
    url = f"http://{kube.address('web')}:8080/"
    notes = {INTERNAL: "true", f"{OURS}/timeout-client-data": "61000", f"{OURS}/timeout-member-data": "62000"}
    kube.service("web", port, notes, loadBalancerSourceRanges=["203.0.113.0/24"])
    wait_until(lambda: kube.listener()["allowed_cidrs"] == ["203.0.113.0/24"], SECONDS)
    wait_until(lambda: kube.listener()["timeout_member_data"] == 62000, SECONDS)
    assert kube.listener()["timeout_client_data"] == 61000
    wait_until(lambda: status(url) == 0, SECONDS)
    kube.service("web", port, notes, loadBalancerSourceRanges=["127.0.0.0/8"])
    wait_until(lambda: status(url) == 200, SECONDS)


def test_a_node_leaves_and_comes_back(kube: Cluster) -> None:
    kube.service("web", kube.webs(), {INTERNAL: "true"})
    kube.seen("web")
    url = f"http://{kube.address('web')}:8080/"
    wait_until(lambda: {fetched(url).json()["name"] for _ in range(6)} == set(kube.nodes), SECONDS)
    kube.kubernetes.delete("nodes", "node-2")
    members = f"pools/{kube.pool()['id']}/members"

    def addresses() -> list[str]:
        return [each["address"] for each in kube.gopher.lb("GET", members)["members"]]

    wait_until(lambda: addresses() == [kube.nodes["node-1"]], SECONDS)
    assert {fetched(url).json()["name"] for _ in range(6)} == {"node-1"}
    kube.kubernetes.apply("nodes", kube.node("node-2", kube.nodes["node-2"]))
    wait_until(lambda: {fetched(url).json()["name"] for _ in range(6)} == set(kube.nodes), SECONDS)
