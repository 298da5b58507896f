"""Listeners: who may connect, how many, where, and what is added to their requests."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
import vips
from instances import Running
from members import free_port, until
from world import get, line, member, web

pytestmark = pytest.mark.usefixtures("vips")


def headers(port: int, **given: Any) -> dict[str, list[str]]:
    """Return the headers that arrived at the member."""
    found: dict[str, list[str]] = {}
    for name, value in get(port, **given).json["headers"]:
        found.setdefault(name, []).append(value)
    return found


def test_inserted_headers(running: Running, webs) -> None:
    (one,) = webs("one")
    names = ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-IP", "X-Client-IP", "X-Real-IP")
    tree = web(members={"one": member(one)})
    tree["listeners"]["web"]["insert_headers"] = dict.fromkeys(names, "true")
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    found = headers(port, source="127.0.0.9", headers={"X-Forwarded-For": "10.1.1.1", "X-Real-IP": "10.1.1.1"})
    assert found["x-forwarded-for"] == ["10.1.1.1", "127.0.0.9"]
    assert found["x-forwarded-port"] == [str(port)]
    assert found["x-forwarded-proto"] == ["http"]
    assert found["x-forwarded-ip"] == found["x-client-ip"] == found["x-real-ip"] == ["127.0.0.9"]


def test_headers_that_are_not_wanted_are_not_inserted(running: Running, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    tree["listeners"]["web"]["insert_headers"] = {"X-Forwarded-For": "false", "X-Forwarded-Port": "True"}
    running.apply(tree)
    found = headers(tree["listeners"]["web"]["protocol_port"])
    assert "x-forwarded-for" not in found
    assert "x-forwarded-port" in found


def test_policies_see_the_request_as_it_was_sent(running: Running, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    rule = {"type": "HEADER", "compare_type": "STARTS_WITH", "key": "X-Forwarded-Proto", "value": "http"}
    tree["listeners"]["web"] |= {
        "insert_headers": {"X-Forwarded-Proto": "true"},
        "l7policies": {"no": {"action": "REJECT", "rules": [rule]}},
    }
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    assert get(port).name == "one"
    assert get(port, headers={"X-Forwarded-Proto": "https"}).status == 403


def test_allowed_cidrs(running: Running, webs, echoes) -> None:
    (one,), (echo,) = webs("one"), echoes("echo")
    tcp_port = free_port()
    tree = web(members={"one": member(one)})
    tree["listeners"]["web"]["allowed_cidrs"] = ["127.0.0.2/32", "127.1.0.0/16"]
    tree["listeners"]["tcp"] = {
        "protocol": "TCP",
        "protocol_port": tcp_port,
        "default_pool": "echo",
        "allowed_cidrs": ["127.0.0.2/32"],
    }
    tree["pools"]["echo"] = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": {"echo": member(echo)}}
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    assert get(port, source="127.0.0.2").name == "one"
    assert get(port, source="127.1.2.3").name == "one"
    assert get(port, source="127.0.0.1").status == 403
    assert tcp_name(tcp_port, "127.0.0.2") == "echo"
    assert tcp_name(tcp_port, "127.0.0.1") == ""


def tcp_name(port: int, source: str | None = None, address: str | None = None) -> str:
    try:
        place = address or vips.at(port, source), port
        origin = (source, 0) if source else None
        with socket.create_connection(place, timeout=5, source_address=origin) as connection:
            return line(connection)
    except OSError:
        return ""


def test_connection_limit(running: Running, echoes) -> None:
    (echo,) = echoes("echo")
    port = free_port()
    listener = {"protocol": "TCP", "protocol_port": port, "default_pool": "pool", "connection_limit": 2}
    pool = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": {"echo": member(echo)}}
    running.apply({"listeners": {"tcp": listener}, "pools": {"pool": pool}})
    with (
        socket.create_connection((vips.at(port), port)) as first,
        socket.create_connection((vips.at(port), port)) as second,
    ):
        assert line(first) == line(second) == "echo"
        with socket.create_connection((vips.at(port), port)) as third:
            third.settimeout(0.3)
            with pytest.raises(TimeoutError):
                line(third)  # it waits in the kernel for its turn
            first.close()
            third.settimeout(5)
            assert line(third) == "echo"
    running.apply({"listeners": {"tcp": {"connection_limit": 0}}})
    assert tcp_name(port) == ""


def test_every_address_and_family(running: Running, webs) -> None:
    (one,) = webs("one")
    tree = {"addresses": ["127.0.0.1", "127.5.6.7", "::1"], **web(members={"one": member(one)})}
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    for address in ("127.0.0.1", "127.5.6.7", "::1"):
        assert get(port, address=address).name == "one"
    running.tree["addresses"] = ["127.0.0.1"]
    assert running.put().how == "reloaded"
    with pytest.raises(OSError, match="refused"):
        get(port, address="127.5.6.7")


def test_ipv6_members(running: Running) -> None:
    with socket.socket(socket.AF_INET6) as listening:
        listening.bind(("::1", 0))
        listening.listen()
        port = free_port()
        members = {"one": {"address": "::1", "protocol_port": listening.getsockname()[1]}}
        pool = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": members}
        listener = {"protocol": "TCP", "protocol_port": port, "default_pool": "pool"}
        running.apply({"listeners": {"tcp": listener}, "pools": {"pool": pool}})
        with socket.create_connection((vips.at(port), port)) as client:
            client.sendall(b"hello")
            listening.settimeout(5)
            taken, _ = listening.accept()
            with taken:
                assert taken.recv(16) == b"hello"


def test_timeouts(running: Running, webs, echoes) -> None:
    (one,), (echo,) = webs("one"), echoes("echo")
    tcp_port = free_port()
    tree = web(members={"one": member(one)})
    tree["listeners"]["web"]["timeout_member_data"] = 200
    tree["listeners"]["tcp"] = {
        "protocol": "TCP",
        "protocol_port": tcp_port,
        "default_pool": "echo",
        "timeout_client_data": 200,
    }
    tree["pools"]["echo"] = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": {"echo": member(echo)}}
    running.apply(tree)
    one.delay = 0.6
    assert get(tree["listeners"]["web"]["protocol_port"]).status == 504
    with socket.create_connection((vips.at(tcp_port), tcp_port), timeout=5) as connection:
        assert line(connection) == "echo"
        start = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - start < 2


def test_a_removed_listener_frees_its_port(running: Running, webs) -> None:
    (one,) = webs("one")
    port = free_port()
    tree = web(members={"one": member(one)})
    tree["listeners"]["more"] = {"protocol": "HTTP", "protocol_port": port, "default_pool": "pool"}
    running.apply(tree)
    assert get(port).name == "one"
    del running.tree["listeners"]["more"]
    running.put()
    until(lambda: tcp_name(port) == "")
    socket.create_server(("127.0.0.1", port)).close()
