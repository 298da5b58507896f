"""TLS towards members: who has to prove what, what is agreed on, and what monitors see."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pki
import pytest
import trees
import vips
from handshakes import serving, shake
from instances import Running
from members import Web, free_port, until
from world import get, member, web

from lbclient.dataplane.haproxy import runtime

pytestmark = pytest.mark.usefixtures("vips")

FIXED = {
    "ca": {"authority": "ca"},
    "other": {"authority": "other"},
    "us": {"host": "lb.example"},
    "shop": {"host": "shop.example"},
    "crl": {"revocations": "ca", "revoked": ["stolen.example"]},
}
HONEST, STOLEN = pki.certified("shop.example"), pki.certified("stolen.example")


@pytest.fixture
def tls_web() -> Iterator[Callable[..., Web]]:
    """Makes web servers that speak TLS, which end with the test."""
    made: list[Web] = []

    def make(name: str, *context: Any, **more: Any) -> Web:
        made.append(Web(name, context=serving(*context, **more)))
        return made[-1]

    yield make
    for each in made:
        each.down()


def secured(*members: Web, **pool: Any) -> dict[str, Any]:
    """The usual tree with TLS towards its members, behind a plain listener."""
    given = {each.name: member(each) for each in members}
    return {**web(members=given, tls_enabled=True, **pool), "certificates": FIXED}


def port_of(tree: dict[str, Any]) -> int:
    return tree["listeners"]["web"]["protocol_port"]


def test_without_a_ca_any_member_will_do(running: Running, tls_web) -> None:
    tree = secured(tls_web("one", pki.certified("anything.example", "unknown")))
    running.apply(tree)
    assert get(port_of(tree)).json["tls"] == {
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "alpn": None,
        "asked_for": None,
        "client": None,
    }


def test_with_a_ca_members_prove_themselves(running: Running, tls_web) -> None:
    tree = secured(tls_web("one", HONEST), ca_tls_container_ref="ca")
    running.apply(tree)
    assert get(port_of(tree)).name == "one"
    running.apply({"pools": {"pool": {"ca_tls_container_ref": "other"}}})
    assert get(port_of(tree)).status == 503


def test_revoked_members_are_not_talked_to(running: Running, tls_web) -> None:
    tree = secured(tls_web("one", HONEST), tls_web("two", STOLEN), ca_tls_container_ref="ca")
    running.apply(tree)
    assert {get(port_of(tree)).name for _ in range(6)} == {"one", "two"}
    running.apply({"pools": {"pool": {"crl_container_ref": "crl"}}})
    assert {get(port_of(tree)).name for _ in range(6)} <= {"one", "503"}
    assert "one" in {get(port_of(tree)).name for _ in range(6)}


def test_our_own_certificate_is_shown(running: Running, tls_web) -> None:
    tree = secured(tls_web("one", HONEST, "ca", required=True))
    running.apply(tree)
    assert get(port_of(tree)).status in (502, 503)
    running.apply({"pools": {"pool": {"tls_container_ref": "us"}}})
    assert get(port_of(tree)).json["tls"]["client"] == "lb.example"


def test_members_are_asked_for_the_name_that_the_client_asked_for(running: Running, tls_web) -> None:
    tree = secured(tls_web("one", HONEST), ca_tls_container_ref="ca")
    both = {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "shop", "sni_container_refs": ["us"]}
    tree["listeners"]["web"] |= both
    running.apply(tree)
    session = shake(port_of(tree), "shop.example")
    assert session.answer.json["tls"]["asked_for"] == "shop.example"
    assert shake(port_of(tree), "lb.example").answer.status == 503  # which the member cannot prove to be


def test_versions_ciphers_and_protocols(running: Running, tls_web) -> None:
    one = tls_web("one", HONEST)
    one.context.set_alpn_protocols(["http/1.1"])
    ciphers = "TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"
    tree = secured(one, tls_ciphers=ciphers, alpn_protocols=["http/1.1"])
    running.apply(tree)
    found = get(port_of(tree)).json["tls"]
    assert (found["version"], found["cipher"], found["alpn"]) == ("TLSv1.3", "TLS_AES_128_GCM_SHA256", "http/1.1")
    running.apply({"pools": {"pool": {"tls_versions": ["TLSv1.2"]}}})
    found = get(port_of(tree)).json["tls"]
    assert (found["version"], found["cipher"]) == ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")
    one.context.minimum_version = ssl.TLSVersion.TLSv1_3
    assert get(port_of(tree)).status == 503


def test_http2_to_members(running: Running, webs) -> None:
    """The member is a load balancer itself, since it speaks HTTP/2."""
    (one,) = webs("one")
    inner = free_port()
    tree = secured(alpn_protocols=["h2", "http/1.1"], ca_tls_container_ref="ca")
    tree["pools"]["pool"]["members"] = {"inner": {"address": vips.at(inner), "protocol_port": inner}}
    tree["pools"]["pool"]["healthmonitor"] = {"type": "HTTPS", "delay": 1, "timeout": 1, "max_retries": 1}
    tree["pools"]["last"] = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": {"one": member(one)}}
    tls = {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "shop", "default_pool": "last"}
    tree["listeners"]["inner"] = {**tls, "protocol_port": inner}
    running.apply(tree)
    assert get(port_of(tree)).name == "one"
    stat = runtime.parse_stat(runtime.ask(running.instance.directory, "admin.sock", "show stat"))
    assert int(stat[trees.identity("inner"), "FRONTEND"]["h2_total_connections"]) > 0
    until(lambda: _status(running, "inner") == "UP")
    assert one.checks == []  # they ask for the path "/"


def _status(running: Running, name: str) -> str:
    stat = runtime.parse_stat(runtime.ask(running.instance.directory, "admin.sock", "show stat"))
    row = stat[trees.identity("pool"), trees.identity(name)]
    # The first result of a check shows once it is there.
    return row["status"] if row["check_status"].startswith("L") else ""


MONITOR = {"delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}


@pytest.mark.parametrize("kind", ["HTTPS", "TLS-HELLO", "HTTP", "TCP"])
def test_monitors_ask_what_connections_ask(running: Running, tls_web, kind: str) -> None:
    tree = secured(
        tls_web("one", HONEST),
        tls_web("two", STOLEN),
        tls_web("three", pki.certified("shop.example", "other")),
        ca_tls_container_ref="ca",
        crl_container_ref="crl",
        healthmonitor={"type": kind, **MONITOR},
    )
    running.apply(tree)
    until(lambda: [_status(running, name) for name in ("one", "two", "three")] == ["UP", "DOWN", "DOWN"])
    assert {get(port_of(tree)).name for _ in range(6)} == {"one"}


def test_a_monitor_with_a_name_wants_it_proved(running: Running, tls_web) -> None:
    one = tls_web("one", HONEST)
    named = {"type": "HTTPS", "http_version": "1.1", "domain_name": "shop.example", "url_path": "/health", **MONITOR}
    tree = secured(one, ca_tls_container_ref="ca", healthmonitor=named)
    running.apply(tree)
    until(lambda: _status(running, "one") == "UP")
    assert ["host", "shop.example"] in [list(each) for each in one.checks[-1]["headers"]]
    running.apply({"pools": {"pool": {"healthmonitor": {"domain_name": "other.example"}}}})
    until(lambda: _status(running, "one") == "DOWN")


def test_plain_pools_are_checked_over_tls_by_whom_it_may_concern(running: Running, tls_web) -> None:
    """Pass-through: the monitor shakes hands with whatever certificate there is."""
    one = tls_web("one", pki.certified("anything.example", "unknown"))
    pool = {"protocol": "HTTPS", "lb_algorithm": "ROUND_ROBIN", "members": {"one": member(one)}}
    port = free_port()
    listener = {"protocol": "HTTPS", "protocol_port": port, "default_pool": "pool"}
    monitor = {"type": "HTTPS", "url_path": "/health", **MONITOR}
    running.apply({"listeners": {"web": listener}, "pools": {"pool": {**pool, "healthmonitor": monitor}}})
    until(lambda: _status(running, "one") == "UP")


def test_turning_tls_on_and_off_with_a_monitor(running: Running, tls_web) -> None:
    """The state that HAProxy keeps of a member over a reload does not include the use of TLS."""
    one = tls_web("one", HONEST)
    tree = secured(one, healthmonitor={"type": "TCP", **MONITOR})
    tree["pools"]["pool"]["tls_enabled"] = False
    running.apply(tree)
    until(lambda: _status(running, "one") == "UP")
    assert get(port_of(tree)).status != 200
    assert running.apply({"pools": {"pool": {"tls_enabled": True}}}).how == "reloaded"
    until(lambda: get(port_of(tree)).status == 200)
    assert get(port_of(tree)).json["tls"]["version"] == "TLSv1.3"


def test_tls_from_a_tcp_listener(running: Running, tls_web) -> None:
    """Bytes from the client reach the member encrypted."""
    one = tls_web("one", HONEST)
    port = free_port()
    listener = {"protocol": "TCP", "protocol_port": port, "default_pool": "pool"}
    pool = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": {"one": member(one)}}
    secret = {"tls_enabled": True, "ca_tls_container_ref": "ca"}
    running.apply({"listeners": {"t": listener}, "pools": {"pool": {**pool, **secret}}, "certificates": FIXED})
    assert get(port).json["tls"]["version"] == "TLSv1.3"


def test_the_proxy_protocol_comes_before_tls(running: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = free_port()
        members = {"one": {"address": "127.0.0.1", "protocol_port": listening.getsockname()[1]}}
        listener = {"protocol": "TCP", "protocol_port": port, "default_pool": "pool"}
        pool = {"protocol": "PROXY", "lb_algorithm": "ROUND_ROBIN", "members": members, "tls_enabled": True}
        running.apply({"listeners": {"t": listener}, "pools": {"pool": pool}})
        with socket.create_connection((vips.at(port), port)):
            listening.settimeout(5)
            taken, _ = listening.accept()
            with taken:
                said = b""
                while len(said.partition(b"\r\n")[2]) == 0:
                    said += taken.recv(1024)
    head, _, hello = said.partition(b"\r\n")
    address = vips.at(port).encode()
    assert head.startswith(b"PROXY TCP%d %s %s " % (6 if b":" in address else 4, address, address))
    assert hello[:1] == b"\x16"  # a TLS handshake
