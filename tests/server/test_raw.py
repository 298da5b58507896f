"""Requests as bytes, as no client would send them, to a running server: refused or answered, and nothing breaks."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from running import RunningServer, end_server, start_server

MODES = ("--auth=noauth", "--network=noop", "--certificates=noop", "--default-provider=noop_driver")
BASE = b"/load-balancer/v2.0/lbaas"
LB = BASE + b"/loadbalancers"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    state: Path = tmp_path_factory.mktemp("raw") / "state"
    running = start_server(state, *MODES)
    try:
        yield running
    finally:
        end_server(running)


def answers(server: RunningServer, raw: bytes, *, is_all: bool = False) -> bytes:
    """Everything that comes back until the server closes; is_all tells it that nothing more will come."""
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), 10) as connection:
        found = b""
        try:
            connection.sendall(raw)
            if is_all:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                found += piece
        except ConnectionError:
            pass  # it has said enough
    return found


def request(line: bytes, body: bytes = b"", *headers: bytes, kind: bytes = b"application/json") -> bytes:
    lines = [line + b" HTTP/1.1", b"Host: x", b"Connection: close", b"Content-Type: " + kind, *headers]
    if not any(header.lower().startswith((b"content-length", b"transfer-encoding")) for header in headers):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


PATHS = [b"/%ff%fe", b"/%00", b"/a%0ab", b"/..%2f..", b"/" + b"a" * 5000, b"/%25", "/ü".encode(), b"/a;b", b"/a%3Fb"]
QUERIES = [
    b"name=%ff",
    b"name=%00",
    b"tags=%00",
    b"marker=%00",
    b"name=%ed%a0%80",
    b"limit=-99999999999999999999",
    b"limit=" + b"9" * 5000,
    b"limit=1e3",
    b"limit=",
    b"marker=",
    b"fields=",
    b"name",
    b"name=%zz",
    b"name=a&name=b",
    b"sort=",
    b"sort=:",
    b"sort=,,",
    b"&&==&",
    b"%00=1",
    b"name=" + b"a" * 70000,
]
BODIES = [
    b"",
    b"[]",
    b"null",
    b"{bad",
    b'"text"',
    b'{"loadbalancer":{"name":"\xff"}}',
    b'{"loadbalancer":{"name":"\\ud800"}}',
    b'{"loadbalancer":{"name":"a\\u0000"}}',
    b'\xef\xbb\xbf{"loadbalancer":{}}',
    '{"loadbalancer":{}}'.encode("utf-16"),
    b"[" * 100_000,
    b'{"loadbalancer":' * 2000 + b"1" + b"}" * 2000,
    b'{"loadbalancer":{"admin_state_up":' + b"9" * 5000 + b"}}",
    b'{"loadbalancer":{"admin_state_up":NaN}}',
    b'{"loadbalancer":{"name":{"a":[]}}}',
]
ODD = [
    request(b"FOO " + LB),
    request(b"TRACE " + LB),
    request(b"GET /v2.1/lbaas/loadbalancers"),
    request(b"GET " + LB, b"", b"Accept: ;;;q=x"),
    request(b"GET " + LB, b"", b"X-A: b\r\n" * 3000),
    request(b"GET " + LB, b"", b"X-Roles: \xff\xfe, ,,admin"),
    request(b"GET " + LB, b"", b"X-Project-Id: " + b"a" * 300),
    request(b"POST " + LB, b"{}", kind=b"text/plain"),
    request(b"POST " + LB, b"{}", kind=b";;;=\xff"),
    request(b"POST " + LB, b"{}", b"Content-Length: -5"),
    request(b"POST " + LB, b"{}", b"Content-Length: x"),
    request(b"POST " + LB, b"{}", b"Content-Length: 99999999999"),
    request(b"POST " + LB, b"\x1f\x8b", b"Content-Encoding: gzip"),
    request(b"POST " + LB, b"zz\r\n{}\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"),
    b"\x00\x01\x02garbage\r\n\r\n",
]
HALVES = [
    b"G",
    b"GET /\r\n",
    b"GET " + LB + b" HTTP/1.1\r\nHost",
    request(b"POST " + LB, b"{}", b"Content-Length: 100"),
    request(b"POST " + LB, b"5\r\n{}", b"Transfer-Encoding: chunked"),
]
ALL = [
    *(request(b"GET " + LB + path) for path in PATHS),
    *(request(b"DELETE " + LB + path) for path in PATHS),
    *(request(b"GET " + LB + b"?" + query) for query in QUERIES),
    *(request(b"POST " + LB, body) for body in BODIES),
    *(request(b"PUT " + LB + b"/x", body) for body in BODIES),
    *ODD,
]


@pytest.mark.parametrize("raw", ALL, ids=lambda raw: repr(raw[:60]))
def test_nothing_ends_with_a_5xx(server: RunningServer, raw: bytes) -> None:
    found = answers(server, raw)
    assert 200 <= status(found) < 500, found
    assert b"Traceback" not in found


@pytest.mark.parametrize("raw", HALVES, ids=lambda raw: repr(raw[-40:]))
def test_half_a_request_and_no_more(server: RunningServer, raw: bytes) -> None:
    assert status(answers(server, raw, is_all=True)) == 400


def test_who_says_nothing_more_is_answered_all_the_same(server: RunningServer) -> None:
    asked = request(b"GET " + LB).replace(b"Connection: close\r\n", b"")
    found = answers(server, asked * 3, is_all=True)
    assert re.findall(rb"HTTP/1.1 (\d+)", found) == [b"200"] * 3


def test_a_body_that_is_too_large(server: RunningServer) -> None:
    found = answers(server, request(b"POST " + LB, b" " * (4 * 1024 * 1024 + 1)))
    assert status(found) == 413
    assert set(json.loads(found.partition(b"\r\n\r\n")[2])) == {"faultcode", "faultstring", "debuginfo"}


@pytest.mark.parametrize("path", [LB, b"/nowhere"])
def test_a_body_in_chunks_is_read_as_any_other(server: RunningServer, path: bytes) -> None:
    body = b'{"loadbalancer": {"bogus": 1}}'
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (10, body[:10], len(body) - 10, body[10:])
    first = request(b"POST " + path, chunks, b"Transfer-Encoding: chunked").replace(b"Connection: close\r\n", b"")
    found = answers(server, first + request(b"GET " + LB + b"?limit=1"))
    assert re.findall(rb"HTTP/1.1 (\d+)", found) == [b"400" if path == LB else b"404", b"200"]
    assert path != LB or b"load_balancer.loadbalancer: bogus" in found


def test_chunks_that_are_too_many(server: RunningServer) -> None:
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    found = answers(server, request(b"POST " + LB, piece * 70 + b"0\r\n\r\n", b"Transfer-Encoding: chunked"))
    assert status(found) == 413


@pytest.mark.parametrize(
    "hosts", [b"", b"Host: x\r\nHost: y\r\n", b"Host: x\r\nhost: x\r\n", b"Host: a b\r\n", b"Host:\r\n"]
)
def test_a_request_has_one_host(server: RunningServer, hosts: bytes) -> None:
    found = answers(server, b"GET " + LB + b" HTTP/1.1\r\nConnection: close\r\n" + hosts + b"\r\n")
    assert status(found) == 400
    assert b"Host header" in found


def test_http_1_0_needs_no_host(server: RunningServer) -> None:
    assert status(answers(server, b"GET " + LB + b" HTTP/1.0\r\n\r\n")) == 200


def test_a_body_that_is_nested_too_deep(server: RunningServer) -> None:
    deep = b'{"loadbalancer":{"name":' + b"[" * 40 + b"]" * 40 + b"}}"
    found = answers(server, request(b"POST " + LB, deep))
    assert status(found) == 400
    assert b"more than 32 levels deep" in found
