"""Security groups of VIPs: who reaches a listener, as a real server with a real HAProxy answers."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import wait_until
from without_logins import NETWORKING, Site, served


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with served(tmp_path) as made:
        yield made


def status(address: str, port: int, source: str) -> int:
    connection = http.client.HTTPConnection(address, port, timeout=10, source_address=(source, 0))
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def echo(listener: socket.socket) -> None:
    try:
        while True:
            data, sender = listener.recvfrom(100)
            listener.sendto(data, sender)
    except OSError:
        return


def is_echoed(address: str, port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        client.sendto(b"x", (address, port))
        try:
            return client.recv(100) == b"x"
        except OSError:
            return False


def test_only_clients_that_a_group_admits_reach_a_listener(site: Site) -> None:
    [subnet] = site.ask("GET", f"{NETWORKING}/subnets?name=private-subnet", "subnets")
    web = site.made(f"{NETWORKING}/security-groups", "security_group", name="web")
    friends = site.made(f"{NETWORKING}/security-groups", "security_group", name="friends")
    listeners = [{"protocol": "HTTP", "protocol_port": 8080}, {"protocol": "HTTP", "protocol_port": 8081}]
    tree = {"vip_subnet_id": subnet["id"], "vip_sg_ids": [web["id"]], "listeners": listeners}
    balancer = site.made("/v2.0/lbaas/loadbalancers", "loadbalancer", **tree)
    vip = balancer["vip_address"]

    def becomes(port: int, source: str, expected: int) -> None:
        wait_until(lambda: status(vip, port, source) == expected)

    becomes(8080, "127.0.0.1", 403)
    rule = site.rule(web, protocol="tcp", port_range_min=8080, port_range_max=8080, remote_ip_prefix="127.0.0.0/24")
    becomes(8080, "127.0.0.1", 503)  # it has no pool
    assert status(vip, 8081, "127.0.0.1") == status(vip, 8080, "127.0.7.1") == 403
    everyone = site.rule(web)
    becomes(8081, "127.0.0.1", 503)
    site.without(everyone)
    site.without(rule)
    becomes(8080, "127.0.0.1", 403)

    site.rule(web, remote_group_id=friends["id"])
    values = {"network_id": subnet["network_id"], "security_groups": [friends["id"]]}
    port = site.made(f"{NETWORKING}/ports", "port", **values)
    friend = port["fixed_ips"][0]["ip_address"]
    becomes(8080, friend, 503)
    assert status(vip, 8080, "127.0.0.1") == 403
    site.ask("PUT", f"{NETWORKING}/ports/{port['id']}", "port", security_groups=[])
    becomes(8080, friend, 403)

    site.ask("PUT", f"/v2.0/lbaas/loadbalancers/{balancer['id']}", "loadbalancer", vip_sg_ids=[])
    becomes(8080, "127.0.0.1", 503)


def test_groups_admit_datagrams_as_well(site: Site) -> None:
    [subnet] = site.ask("GET", f"{NETWORKING}/subnets?name=private-subnet", "subnets")
    web = site.made(f"{NETWORKING}/security-groups", "security_group", name="web")
    with socket.socket(type=socket.SOCK_DGRAM) as member:
        member.bind(("127.0.0.1", 0))
        threading.Thread(target=echo, args=(member,), daemon=True).start()
        members = [{"address": "127.0.0.1", "protocol_port": member.getsockname()[1]}]
        pool = {"name": "pool", "protocol": "UDP", "lb_algorithm": "ROUND_ROBIN", "members": members}
        listener = {"protocol": "UDP", "protocol_port": 5353, "default_pool": pool}
        tree = {"vip_subnet_id": subnet["id"], "vip_sg_ids": [web["id"]], "listeners": [listener]}
        vip = site.made("/v2.0/lbaas/loadbalancers", "loadbalancer", **tree)["vip_address"]
        tcp = site.rule(web, protocol="tcp", port_range_min=5353, port_range_max=5353)
        wait_until(lambda: site.ask("GET", "/v2.0/lbaas/listeners", "listeners")[0]["operating_status"] == "ONLINE")
        assert not is_echoed(vip, 5353)
        site.rule(web, protocol="udp", port_range_min=5353, port_range_max=5353)
        wait_until(lambda: is_echoed(vip, 5353))
        site.without(tcp)
        assert is_echoed(vip, 5353)
