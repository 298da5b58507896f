"""Health monitors: what is asked, what is believed, and how soon it is told."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trees
from instances import Running
from members import Web, free_port, until
from world import DataPlaneRig, get, member, web

from lbclient.dataplane.haproxy import runtime
from lbclient.dataplane.observe import icmp, pinger
from lbclient.dataplane.support import unsupported

pytestmark = pytest.mark.usefixtures("some_vips")

FAST = {"delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}


def monitored(servers: list[Web], **monitor: Any) -> dict[str, Any]:
    monitor = {"type": "HTTP", "url_path": "/health", **FAST, **monitor}
    return web(members={each.name: member(each) for each in servers}, healthmonitor=monitor)


def test_a_sick_member_leaves_the_pool_and_comes_back(world: DataPlaneRig, webs) -> None:
    one, two = servers = webs("one", "two")
    tree = monitored(servers)
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    until(lambda: world.operating("member", "one") == world.operating("member", "two") == "ONLINE")
    assert world.operating("healthmonitor", "pool monitor") == "ONLINE"
    one.health = 500
    until(lambda: world.operating("member", "one") == "ERROR")
    assert {get(port).name for _ in range(4)} == {"two"}
    until(lambda: world.operating("pool", "pool") == world.operating() == "DEGRADED")
    two.health = 500
    until(lambda: world.operating("pool", "pool") == world.operating() == "ERROR")
    assert world.operating("listener", "web") == "ONLINE"
    assert get(port).status == 503
    one.health = two.health = 200
    until(lambda: world.operating("pool", "pool") == world.operating() == "ONLINE")
    assert {get(port).name for _ in range(4)} == {"one", "two"}


def test_a_killed_member_is_noticed(world: DataPlaneRig, webs) -> None:
    one, two = webs("one", "two")
    tree = monitored([one, two], type="TCP", url_path=None)
    world.change(tree)
    until(lambda: world.operating("member", "one") == "ONLINE")
    one.down()
    until(lambda: world.operating("member", "one") == "ERROR")
    one.up()
    until(lambda: world.operating("member", "one") == "ONLINE")


def test_the_truth_is_told_within_a_second(world: DataPlaneRig, webs) -> None:
    one, two = webs("one", "two")
    world.change(monitored([one, two]))
    until(lambda: world.operating("member", "one") == "ONLINE")
    instance = world.instance
    one.health = 500
    until(lambda: status(instance, "one").startswith("DOWN"))
    start = time.monotonic()
    until(lambda: world.operating("member", "one") == "ERROR")
    assert time.monotonic() - start < 1


def status(instance: Any, name: str) -> str:
    rows = runtime.parse_report(runtime.ask(instance.directory, "admin.sock", runtime.REPORT)).rows
    return rows[trees.identity("pool"), trees.identity(name)]["status"]


def test_a_reload_does_not_believe_a_dead_member_up(running: Running, webs) -> None:
    one, two, three = webs("one", "two", "three")
    tree = monitored([one, two], delay=3600, timeout=5)
    port = tree["listeners"]["web"]["protocol_port"]
    one.health = 500
    running.apply(tree)
    until(lambda: status(running.instance, "one").startswith("DOWN"))
    running.apply({"pools": {"pool": {"members": {"three": member(three)}}}})
    assert status(running.instance, "one").startswith("DOWN")
    assert {get(port).name for _ in range(6)} == {"two", "three"}
    # Nor does what was known outlive the monitor.
    del running.tree["pools"]["pool"]["healthmonitor"]
    running.put()
    assert {get(port).name for _ in range(6)} == {"one", "two", "three"}


def test_a_member_that_is_enabled_again_is_not_believed_down(running: Running, webs) -> None:
    one, two = webs("one", "two")
    tree = monitored([one, two], delay=3600)
    tree["pools"]["pool"]["members"]["one"]["admin_state_up"] = False
    running.apply(tree)
    running.apply(
        {
            "pools": {"pool": {"members": {"one": {"admin_state_up": True}}}},
            "listeners": {"more": {"protocol": "TCP", "protocol_port": free_port(), "default_pool": "pool"}},
        }
    )
    assert not status(running.instance, "one").startswith("DOWN")


def test_what_an_http_check_asks(running: Running, webs) -> None:
    (one,) = webs("one")
    fields = {
        "url_path": "/health?a=%20'b'",
        "http_method": "OPTIONS",
        "http_version": "1.1",
        "domain_name": "a.example",
    }
    running.apply(monitored([one], **fields))
    check = until(lambda: one.checks and one.checks[-1])
    assert check["path"] == "/health?a=%20'b'"
    assert check["version"] == "HTTP/1.1"
    assert ("host", "a.example") in check["headers"]


def test_an_http_check_without_a_domain_name_is_valid_too(running: Running, webs) -> None:
    (one,) = webs("one")
    running.apply(monitored([one], http_version="1.1"))
    check = until(lambda: one.checks and one.checks[-1])
    assert check["version"] == "HTTP/1.1"
    assert [name for name, _ in check["headers"]].count("host") == 1
    one.checks.clear()
    running.apply(monitored([one], http_version=None))
    assert until(lambda: one.checks and one.checks[-1])["version"] == "HTTP/1.0"


@pytest.mark.parametrize(
    ("codes", "good", "bad"), [("200", 200, 201), ("200, 202", 202, 201), ("200-204", 203, 205), (None, 200, 404)]
)
def test_expected_codes(running: Running, webs, codes: str | None, good: int, bad: int) -> None:
    one, two = webs("one", "two")
    one.health, two.health = good, bad
    running.apply(monitored([one, two], expected_codes=codes))
    until(lambda: status(running.instance, "two").startswith("DOWN"))
    assert status(running.instance, "one") == "UP"


def test_rise_and_fall(running: Running, webs) -> None:
    (one,) = webs("one")
    running.apply(monitored([one], max_retries=2, max_retries_down=3))
    until(lambda: one.checks)
    one.health = 500
    one.checks.clear()
    until(lambda: status(running.instance, "one").startswith("DOWN"))
    assert len(one.checks) == 3
    one.health = 200
    one.checks.clear()
    until(lambda: status(running.instance, "one") == "UP")
    assert len(one.checks) == 2


def test_a_monitor_may_look_elsewhere(running: Running, webs) -> None:
    one, other = webs("one", "other")
    tree = monitored([one])
    tree["pools"]["pool"]["members"]["one"] |= {"monitor_address": "127.0.0.1", "monitor_port": other.port}
    other.health = 500
    running.apply(tree)
    until(lambda: status(running.instance, "one").startswith("DOWN"))
    assert not one.checks


def test_a_disabled_monitor_checks_nothing(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    world.change(monitored([one], admin_state_up=False))
    until(lambda: world.operating("member", "one") == "NO_MONITOR")
    until(lambda: world.operating("healthmonitor", "pool monitor") == "OFFLINE")
    assert not one.checks


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[int]:
    """A server that does a TLS handshake, answers one HTTP request, and closes; its port."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve_tls, args=(listening, context), daemon=True).start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def serve_tls(listening: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            plain, _ = listening.accept()
        except OSError:
            return
        plain.settimeout(2)
        with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
            if secure.recv(4096).startswith(b"GET"):
                secure.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("type_", ["TLS-HELLO", "HTTPS"])
def test_tls_checks(running: Running, webs, tls_server: int, type_: str) -> None:
    (plain,) = webs("plain")
    members = {"one": {"address": "127.0.0.1", "protocol_port": tls_server}, "two": member(plain)}
    running.apply(
        {
            "listeners": {"tls": {"protocol": "HTTPS", "protocol_port": free_port(), "default_pool": "pool"}},
            "pools": {
                "pool": {
                    "protocol": "HTTPS",
                    "lb_algorithm": "ROUND_ROBIN",
                    "healthmonitor": {"type": type_, **FAST},
                    "members": members,
                }
            },
        }
    )
    until(lambda: status(running.instance, "two").startswith("DOWN"))
    until(lambda: status(running.instance, "one") == "UP")


@pytest.mark.skipif(icmp.refusal() is not None, reason="this machine does not let us ping")
def test_ping(world: DataPlaneRig, webs) -> None:
    one, two = webs("one", "two")
    tree = monitored([one, two], type="PING", url_path=None)
    tree["pools"]["pool"]["members"]["two"]["monitor_address"] = "2001:db8::1"  # no host has this address
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    until(lambda: world.operating("member", "one") == "ONLINE")
    until(lambda: world.operating("member", "two") == "ERROR")
    assert {get(port).name for _ in range(4)} == {"one"}
    assert world.operating("pool", "pool") == "DEGRADED"
    # The next worker is told, too, and so is one that starts from nothing.
    world.change({"pools": {"pool": {"members": {"three": member(one, protocol_port=free_port())}}}})
    assert world.operating("member", "two") == "ERROR"
    del world.tree["pools"]["pool"]["members"]["three"]
    world.tree["pools"]["pool"]["members"]["two"]["monitor_address"] = "127.0.0.1"
    world.put()
    until(lambda: world.operating("member", "two") == "ONLINE")
    until(lambda: {get(port).name for _ in range(4)} == {"one", "two"})


def test_an_answer_belongs_to_its_question() -> None:
    finding = pinger.Finding(pinger.Target("lb", "m", "127.0.0.1", 1, 1, 2, 3, ()), is_up=True)
    results = []
    for is_alive in (False, False, True, False, False, False, True, False, True, True):
        finding.note(is_alive)
        results.append(finding.is_up)
    assert results == [True, True, True, True, True, False, False, False, False, True]
    assert icmp.checksum(icmp.echo(socket.AF_INET, bytes(range(16)))) == 0


def test_where_nobody_may_ping_a_ping_monitor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than accepted, and every member believed up."""

    def deny(*args: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    snapshot = trees.snapshot(monitored([], type="PING", url_path=None))
    other = trees.snapshot(monitored([]))
    assert unsupported(snapshot) is None or icmp.refusal() is not None
    monkeypatch.setattr(socket, "socket", deny)
    assert "does not let the server ping (Operation not permitted;" in (unsupported(snapshot) or "")
    assert unsupported(other) is None
