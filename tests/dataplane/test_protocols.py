"""The protocols of listeners and pools, as clients see them."""

from __future__ import annotations

import http.client
import os
import socket
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trees
import vips
from instances import Running
from members import free_port
from world import get, member, web

from lbclient.dataplane.support import unsupported

pytestmark = pytest.mark.usefixtures("vips")


def test_keep_alive(running: Running, webs) -> None:
    """One connection of the client's, many requests, each to the member whose turn it is."""
    tree = web(members={each.name: member(each) for each in webs("one", "two")})
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    connection = http.client.HTTPConnection(vips.at(port), port, timeout=5)
    names = []
    for number in range(6):
        connection.request("POST" if number % 2 else "GET", f"/{number}", body=b"x" * number)
        answer = connection.getresponse()
        names.append(answer.headers["Server-Name"])
        assert answer.headers.get("Connection", "").lower() != "close"
        answer.read()
        if number == 0:
            place = connection.sock.getsockname()
        assert connection.sock.getsockname() == place
    connection.close()
    assert Counter(names) == {"one": 3, "two": 3}


def test_requests_in_a_row_without_waiting(running: Running, webs) -> None:
    tree = web(members={"one": member(*webs("one"))})
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    with socket.create_connection((vips.at(port), port), timeout=5) as connection:
        connection.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(5)))
        heard = b""
        while heard.count(b'"path"') < 5:
            data = connection.recv(65536)
            assert data
            heard += data
    assert [heard.index(b'"path": "/%d"' % number) for number in range(5)] == sorted(
        heard.index(b'"path": "/%d"' % number) for number in range(5)
    )


@pytest.mark.parametrize("protocol", ["HTTP", "TCP"])
def test_source_ip_port(running: Running, webs, protocol: str) -> None:
    """The same address and port: the same member; other ports of the same address: all of them."""
    tree = web(lb_algorithm="SOURCE_IP_PORT", members={each.name: member(each) for each in webs("one", "two", "three")})
    tree["listeners"]["web"]["protocol"] = tree["pools"]["pool"]["protocol"] = protocol
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    ports = [free_port() for _ in range(40)]
    first = {each: from_port(port, "127.0.0.1", each) for each in ports}
    assert set(first.values()) == {"one", "two", "three"}
    assert {each: from_port(port, "127.0.0.1", each) for each in ports} == first
    assert {each: from_port(port, "127.0.0.2", each) for each in ports} != first
    weight = {"pools": {"pool": {"members": {"one": {"weight": 5}}}}}
    assert running.apply(weight).how == "runtime", "weights need no reload"


def from_port(port: int, address: str, own: int) -> str:
    """Who answers a client with this address and port."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # A reset rather than TIME_WAIT: the port is wanted again.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.settimeout(5)
        connection.bind((address, own))
        connection.connect((vips.at(port, address), port))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        answer.read()
        return str(answer.headers["Server-Name"])


def test_source_ip_port_needs_an_haproxy_that_can(tmp_path: Path) -> None:
    old = tmp_path / "haproxy"
    old.write_text("#!/bin/sh\necho HAProxy version 2.4.22 2023/02/14\n")
    old.chmod(0o755)
    pool = trees.snapshot(web(lb_algorithm="SOURCE_IP_PORT"))
    assert unsupported(pool, str(old)) == "the algorithm SOURCE_IP_PORT: it needs HAProxy 2.6, and this is 2.4"
    assert unsupported(trees.snapshot(web()), str(old)) is None
    datagrams: dict[str, Any] = {"pools": {"pool": {"protocol": "UDP", "lb_algorithm": "SOURCE_IP_PORT"}}}
    assert unsupported(trees.snapshot(datagrams), str(old)) is None
    assert unsupported(pool, os.devnull) is None, "nothing runs there anyway"


def test_the_time_to_connect(running: Running) -> None:
    """A member that neither accepts nor refuses: the queue of its listening socket is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as waiting:
        waiting.connect(full.getsockname())
        members = {"one": {"address": "127.0.0.1", "protocol_port": full.getsockname()[1]}}
        tree = web(members=members)
        tree["listeners"]["web"]["timeout_member_connect"] = 100
        running.apply(tree)
        start = time.monotonic()
        assert get(tree["listeners"]["web"]["protocol_port"]).status == 503
        assert 0.1 < time.monotonic() - start < 4.5  # four attempts, with a second between them


def test_proxy_headers_name_the_client_of_either_family(running: Running) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as server:
        members = {"one": {"address": "127.0.0.1", "protocol_port": server.getsockname()[1]}}
        running.apply(
            {
                "addresses": ["127.0.0.1", "::1"],
                "listeners": {"tcp": {"protocol": "TCP", "protocol_port": port, "default_pool": "pool"}},
                "pools": {"pool": {"protocol": "PROXY", "lb_algorithm": "ROUND_ROBIN", "members": members}},
            }
        )
        for address, family in (("127.0.0.1", "TCP4"), ("::1", "TCP6")):
            with socket.create_connection((address, port), timeout=5) as client:
                client.sendall(b"hello")
                taken, _ = server.accept()
                with taken, taken.makefile("rb") as heard:
                    own = client.getsockname()[1]
                    assert heard.readline() == f"PROXY {family} {address} {address} {own} {port}\r\n".encode()
                    assert heard.read(5) == b"hello"


def test_allowed_cidrs_of_ipv6(running: Running, webs) -> None:
    tree = {"addresses": ["127.0.0.1", "::1"], **web(members={"one": member(*webs("one"))})}
    tree["listeners"]["web"]["allowed_cidrs"] = ["::/64"]
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    assert get(port, address="::1").name == "one"
    assert get(port, address="127.0.0.1").status == 403
