"""QoS policies of VIPs: bandwidth limits and DSCP marks, as clients of a real HAProxy and a real relay see them."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lbclient.dataplane.haproxy.binary import find_haproxy
from running import free_ports, wait_until
from without_logins import NETWORKING, Site, served

EGRESS, INGRESS = 4000, 8000  # kbit/s
SIZE = 1_500_000  # bytes: three seconds at the first limit
ATTEMPTS = 5  # a busy machine may be slower than the limit
LBAAS = "/v2.0/lbaas"
LOOPBACK6 = "::1/128"
DSCP = 46
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Member(http.server.BaseHTTPRequestHandler):
    """Sends and takes SIZE bytes, also after an upgrade to WebSocket."""

    def do_GET(self) -> None:
        if self.headers["Upgrade"]:
            self.protocol_version = "HTTP/1.1"
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", "websocket")
            self.send_header("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")  # for UPGRADE's key
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        self.wfile.write(bytes(SIZE))
        self.close_connection = True

    def do_POST(self) -> None:
        self.rfile.read(SIZE)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def echoing() -> Iterator[int]:
    """The port of a UDP server that sends back what comes."""
    with socket.socket(type=socket.SOCK_DGRAM) as member:
        member.bind(("127.0.0.1", 0))
        is_over = threading.Event()
        member.settimeout(0.2)

        def serve() -> None:
            while not is_over.is_set():
                try:
                    member.sendto(*member.recvfrom(2000))
                except TimeoutError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield member.getsockname()[1]
        is_over.set()
        thread.join()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with served(tmp_path, f"--vip-ranges={LOOPBACK6}") as made:
        yield made


@pytest.fixture
def web() -> Iterator[int]:
    """The port of a member for HTTP."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Member) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def balancer(site: Site, member: int, policy: Any, ports: list[int], protocols: tuple[str, ...], **more: Any) -> Any:
    """A load balancer of both families whose listeners have one pool each."""
    [subnet] = site.ask("GET", f"{NETWORKING}/subnets?name=private-subnet", "subnets")
    place = {"network_id": subnet["network_id"], "cidr": LOOPBACK6, "ip_version": 6, "gateway_ip": None}
    other = site.made(f"{NETWORKING}/subnets", "subnet", **place)
    listeners = [
        {
            "protocol": protocol,
            "protocol_port": port,
            "default_pool": {
                "name": f"{protocol} {port}",
                "protocol": protocol,
                "lb_algorithm": "ROUND_ROBIN",
                "members": [{"address": "127.0.0.1", "protocol_port": member}],
            },
        }
        for protocol, port in zip(protocols, ports, strict=True)
    ]
    vips = {"vip_subnet_id": subnet["id"], "additional_vips": [{"subnet_id": other["id"]}]}
    tree = {**vips, "vip_qos_policy_id": policy["id"], "listeners": listeners}
    made = site.made(f"{LBAAS}/loadbalancers", "loadbalancer", **tree)
    path = f"{LBAAS}/loadbalancers/{made['id']}"
    wait_until(lambda: site.ask("GET", path, "loadbalancer")["operating_status"] == "ONLINE", 30)
    return made


def policy_of(site: Site, *rules: tuple[str, dict[str, Any]]) -> tuple[Any, list[Any]]:
    """A policy with rules; both."""
    made = site.made(f"{NETWORKING}/qos/policies", "policy", name="slow")
    path = f"{NETWORKING}/qos/policies/{made['id']}"
    return made, [site.made(f"{path}/{kind}_rules", f"{kind}_rule", **values) for kind, values in rules]


def limits(*, egress: int = EGRESS, ingress: int = INGRESS) -> list[tuple[str, dict[str, Any]]]:
    given = {"egress": egress, "ingress": ingress}
    return [("bandwidth_limit", {"max_kbps": kbps, "direction": direction}) for direction, kbps in given.items()]


def download(address: str, port: int, request: bytes = b"GET / HTTP/1.0\r\nHost: x\r\n\r\n") -> float:
    """The bandwidth of one download in kbit/s, in which nothing is missing."""
    with socket.create_connection((address, port), timeout=60) as client:
        client.sendall(request)
        begin = time.monotonic()
        size = len(b"".join(iter(lambda: client.recv(65536), b"")))
    assert size > SIZE
    return size / 125 / (time.monotonic() - begin)


def upload(address: str, port: int) -> float:
    """The bandwidth of one upload in kbit/s."""
    with socket.create_connection((address, port), timeout=60) as client:
        begin = time.monotonic()
        client.sendall(b"POST / HTTP/1.0\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % SIZE + bytes(SIZE))
        assert b" 204 " in client.recv(1000)
    return SIZE / 125 / (time.monotonic() - begin)


def together(*measured: Callable[[], float]) -> float:
    """The sum of bandwidths that are measured at a time."""
    found: list[float] = []
    threads = [threading.Thread(target=lambda each=each: found.append(each())) for each in measured]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == len(measured)
    return sum(found)


def holds(limit: int, measure: Callable[[], float]) -> None:
    """No measurement is above the limit, and one gets near it."""
    for _ in range(ATTEMPTS):
        found = measure()
        assert found <= 1.2 * limit
        if found >= 0.8 * limit:
            return
    pytest.fail(f"{found} kbit/s where {limit} are allowed")


def test_a_bandwidth_limit_holds_on_both_families_and_is_lifted(site: Site, web: int) -> None:
    policy, [egress, ingress] = policy_of(site, *limits())
    http_port, other_port = free_ports(2)
    made = balancer(site, web, policy, [http_port, other_port], ("HTTP", "HTTP"))
    v4, v6 = made["vip_address"], made["additional_vips"][0]["ip_address"]
    holds(EGRESS, lambda: download(v4, http_port))
    holds(EGRESS, lambda: download(v6, http_port))
    holds(INGRESS, lambda: upload(v6, other_port))
    holds(INGRESS, lambda: upload(v4, http_port))
    holds(EGRESS, lambda: together(lambda: download(v4, http_port), lambda: download(v6, other_port)))
    rules = f"{NETWORKING}/qos/policies/{policy['id']}/bandwidth_limit_rules"
    site.ask("PUT", f"{rules}/{egress['id']}", "bandwidth_limit_rule", max_kbps=2 * EGRESS)
    wait_until(lambda: download(v4, http_port) > 1.2 * EGRESS, 60)
    holds(2 * EGRESS, lambda: download(v4, http_port))
    site.ask("DELETE", f"{rules}/{ingress['id']}", "bandwidth_limit_rule")
    wait_until(lambda: upload(v6, http_port) > 2 * INGRESS, 60)
    site.ask("PUT", f"{LBAAS}/loadbalancers/{made['id']}", "loadbalancer", vip_qos_policy_id=None)
    wait_until(lambda: download(v6, other_port) > 4 * EGRESS, 60)


def test_where_a_limit_would_lose_data_there_is_none_and_a_warning(site: Site, web: int) -> None:
    """HAProxy's filter cuts off the end of what it does not understand (its issue 3457)."""
    policy, _ = policy_of(site, *limits(egress=800))
    http_port, tcp_port, another = free_ports(3)
    made = balancer(site, web, policy, [http_port, tcp_port], ("HTTP", "TCP"))
    for _ in range(3):
        assert download(made["vip_address"], tcp_port) > 0
        assert download(made["vip_address"], http_port, UPGRADE) > 0
    wait_until(lambda: download(made["vip_address"], tcp_port) > 2 * 800, 60)
    path = f"{LBAAS}/loadbalancers/{made['id']}"
    listener = {"protocol": "TCP", "protocol_port": another, "loadbalancer_id": made["id"]}
    for method, where, body in (
        ("POST", f"{LBAAS}/listeners", {"listener": listener}),
        ("PUT", path, {"loadbalancer": {"vip_qos_policy_id": policy["id"]}}),
    ):
        wait_until(lambda: site.ask("GET", path, "loadbalancer")["provisioning_status"] == "ACTIVE")
        answer = site.answer(method, where, body)
        assert answer.ok, answer.text
        assert "TCP and HTTPS ones are not limited" in answer.headers["Warning"]


def test_datagrams_are_limited_and_marked(site: Site) -> None:
    policy, _ = policy_of(site, *limits(egress=800, ingress=0), ("dscp_marking", {"dscp_mark": DSCP}))
    [port] = free_ports(1)
    with echoing() as member:
        made = balancer(site, member, policy, [port], ("UDP",))
        for address in (made["vip_address"], made["additional_vips"][0]["ip_address"]):
            assert traffic_class(address, port) == DSCP << 2
        flooded = flood(made["vip_address"], port)
        assert 0 < flooded <= 1.2 * 800
        path = f"{LBAAS}/loadbalancers/{made['id']}"
        site.ask("PUT", path, "loadbalancer", vip_qos_policy_id=None)
        wait_until(lambda: traffic_class(made["vip_address"], port) == 0)
        wait_until(lambda: flood(made["vip_address"], port) > 2 * 800, 60)


def flood(address: str, port: int, seconds: float = 5.0) -> float:
    """The bandwidth of answers to more datagrams than a limit lets through, in kbit/s, after the first burst."""
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect((address, port))
        begin = time.monotonic()
        while time.monotonic() - begin < 1:  # the burst
            client.send(bytes(1000))
            time.sleep(0.0005)
        while silent(client):
            pass
        received, begin = 0, time.monotonic()
        client.settimeout(0.0005)
        while time.monotonic() - begin < seconds:
            client.send(bytes(1000))
            received += silent(client)
        return received / 125 / seconds


def silent(client: socket.socket) -> int:
    """The length of the next datagram; 0 if none comes."""
    try:
        return len(client.recv(2000))
    except TimeoutError:
        return 0


def traffic_class(address: str, port: int) -> int:
    """The mark of an answer by UDP."""
    is_v6 = ":" in address
    level = socket.IPPROTO_IPV6 if is_v6 else socket.IPPROTO_IP
    with socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(level, socket.IPV6_RECVTCLASS if is_v6 else socket.IP_RECVTOS, 1)
        client.settimeout(10)
        client.sendto(b"x", (address, port))
        _, [(_, _, value)], *_ = client.recvmsg(100, 100)
        return int.from_bytes(value, "little")


def test_connections_are_marked(site: Site, web: int) -> None:
    policy, _ = policy_of(site, ("dscp_marking", {"dscp_mark": DSCP}))
    [port] = free_ports(1)
    vip = balancer(site, web, policy, [port], ("HTTP",))["vip_address"]
    try:
        packets = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    except PermissionError:
        pytest.skip("no right to see packets")
    with packets:
        packets.settimeout(30)
        packets.connect((vip, 0))  # else the packets of all others fill its queue
        download(vip, port)
        seen = iter(lambda: packets.recv(65536), None)
        answers = (each for each in seen if int.from_bytes(each[20:22], "big") == port and len(each) > 1000)
        assert next(answers)[1] >> 2 == DSCP


def test_what_cannot_be_kept_is_said(site: Site, web: int) -> None:
    policy, _ = policy_of(site)
    rule = {"minimum_bandwidth_rule": {"min_kbps": 100}}
    path = f"{NETWORKING}/qos/policies/{policy['id']}/minimum_bandwidth_rules"
    assert "guarantees nothing" in site.answer("POST", path, rule).headers["Warning"]
    [subnet] = site.ask("GET", f"{NETWORKING}/subnets?name=private-subnet", "subnets")
    usual = {"vip_subnet_id": subnet["id"]}
    guaranteed = {**usual, "vip_qos_policy_id": policy["id"]}
    cases = {"guaranteed": guaranteed, "usual": usual, "noop": {**guaranteed, "provider": "noop_driver"}}
    said = {
        name: site.answer("POST", f"{LBAAS}/loadbalancers", {"loadbalancer": values}) for name, values in cases.items()
    }
    assert {name for name, answer in said.items() if "Warning" in answer.headers} == {"guaranteed"}
    assert "guarantees nothing" in said["guaranteed"].headers["Warning"]
    path = f"{LBAAS}/loadbalancers/{said['usual'].json()['loadbalancer']['id']}"
    wait_until(lambda: site.ask("GET", path, "loadbalancer")["provisioning_status"] == "ACTIVE")
    changed = site.answer("PUT", path, {"loadbalancer": {"vip_qos_policy_id": policy["id"]}})
    assert "guarantees nothing" in changed.headers["Warning"]


def test_an_old_haproxy_refuses_limits_before_they_are_lost(tmp_path: Path) -> None:
    haproxy = find_haproxy()
    old = tmp_path / "haproxy-2.6"
    old.write_text(f'#!/bin/sh\n[ "$1" = -v ] && echo "HAProxy version 2.6.1" && exit\nexec {haproxy} "$@"\n')
    old.chmod(0o755)
    with served(tmp_path, f"--haproxy={old}") as site:
        policy, _ = policy_of(site)
        [subnet] = site.ask("GET", f"{NETWORKING}/subnets?name=private-subnet", "subnets")
        tree = {"vip_subnet_id": subnet["id"], "vip_qos_policy_id": policy["id"]}
        site.made(f"{LBAAS}/loadbalancers", "loadbalancer", **tree)
        path = f"{NETWORKING}/qos/policies/{policy['id']}/bandwidth_limit_rules"
        refused = site.answer("POST", path, {"bandwidth_limit_rule": {"max_kbps": 100}})
        assert refused.status_code == 409
        assert "needs HAProxy 2.7, and this is 2.6" in refused.text
        other, _ = policy_of(site, ("bandwidth_limit", {"max_kbps": 100}))
        refused = site.answer(
            "POST", f"{LBAAS}/loadbalancers", {"loadbalancer": {**tree, "vip_qos_policy_id": other["id"]}}
        )
        assert (refused.status_code, "needs HAProxy 2.7" in refused.text) == (501, True)
