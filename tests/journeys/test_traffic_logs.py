"""Traffic logs from request to terminal: complete over reloads and restarts, and harmless whatever clients send."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from certificates import authority, certified
from running import RunningServer, end_server, lbclient, start_server, wait_until
from traffic import PATIENCE, PORT, World, run

RELOADS = 3  # 50 with --long


@pytest.fixture
def world(server: RunningServer) -> World:
    return World(server)


def raw(world: World, request: bytes) -> None:
    """Send bytes that no client library would send, and read the answer to its end."""
    with socket.create_connection((world.address, PORT), timeout=PATIENCE) as connection:
        connection.sendall(request)
        while connection.recv(4096):
            pass


HOSTILE = (
    b"GET /\"'\\%1b%00<script>?secret=hidden HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /esc HTTP/1.1\r\nHost: \x1b[2J\xff\xc2\x9b\"\r\nUser-Agent: \xe2\x80\xae\x7f\r\nConnection: close\r\n\r\n",
    b"GET /" + b"\"" * 3000 + b" HTTP/1.1\r\nHost: " + b"\"" * 500 + b"\r\nConnection: close\r\n\r\n",
)  # fmt: skip


def test_what_is_logged_and_shown(world: World) -> None:
    server = world.server
    assert world.send("/before") == 503
    run(server, "listener", "set", "--logging", "on,trace=on", "--wait", "web")
    assert world.ask("GET", f"listeners/{world.listener}").json()["listener"].keys().isdisjoint({"logging"})
    followed = subprocess.Popen(
        lbclient("loadbalancer", "logs", "web", "--follow"), env=server.environment, stdout=subprocess.PIPE, text=True
    )
    assert followed.stdout is not None
    wait_until(lambda: world.send("/wake") == 503 and bool(world.logs("path=/wake")), PATIENCE)
    lines = iter(followed.stdout.readline, "")
    threading.Timer(PATIENCE, followed.kill).start()
    _until(lines, world, "/wake")
    world.send("/one?secret=hidden", **{"User-Agent": "me", "Cookie": "hidden"})
    assert "GET /one  503" in next(line for line in lines if "/one" in line)
    followed.kill()
    followed.communicate()

    for request in HOSTILE:
        raw(world, request)
    wait_until(lambda: len(world.logs("path=/%22*")) == 2 and len(world.logs("status=400")) == 1, PATIENCE)
    found = world.logs()
    [one] = [each for each in found if each.get("path") == "/one"]
    assert (one["method"], one["status"], one["listener_name"]) == ("GET", 503, "web")
    assert one["headers"]["user-agent"] == "me"
    assert len(one["trace"]) == 32
    assert "/before" not in world.paths()
    assert "hidden" not in json.dumps(found)
    text = run(server, "logs", "lb1", "--limit", "1000") + run(server, "logs", "lb1", "-f", "combined")
    assert not {char for char in text if not char.isprintable()} - {"\n"}
    assert {each["status"] for each in world.logs("status=5xx")} == {503}
    assert [each["path"] for each in world.logs("path=/o*&since=1h")] == ["/one"]

    run(server, "listener", "set", "--logging", "off", "--wait", "web")
    count = len(world.logs())
    world.send("/after")
    assert len(world.logs()) == count


def test_a_request_looks_through_a_bounded_part_of_what_is_kept(world: World) -> None:
    world.change(f"listeners/{world.listener}/logging", "logging", enabled=True, retention=1000)
    world.send("/first")
    wait_until(lambda: world.logs("path=/first"), PATIENCE)
    [file] = world.server.state_directory.glob(f"haproxy/*/traffic/{world.listener}.log")
    line = file.read_bytes().splitlines()[-1].replace(b"first", b"other")
    with file.open("ab") as log:
        log.write((line + b"\n") * (33_000_000 // len(line)))
    assert world.logs("path=/first") == []
    assert len(world.ask("GET", f"listeners/{world.listener}/logs?path=/other&limit=5").json()["logs"]) == 5


def _until(lines: Iterator[str], world: World, word: str) -> None:
    """Send requests until the command has begun to follow."""
    is_found = threading.Event()

    def send() -> None:
        while not is_found.wait(0.1):
            world.send(word)

    sender = threading.Thread(target=send)
    sender.start()
    assert any(word in line for line in lines)
    is_found.set()
    sender.join()


def test_no_line_is_lost_over_reloads(world: World, pytestconfig: pytest.Config) -> None:
    world.change(f"loadbalancers/{world.id}/logging", "logging", enabled=True)
    sent: list[str] = []
    is_over = threading.Event()

    def load(number: int) -> None:
        for count in range(1_000_000):
            if is_over.is_set():
                return
            path = f"/{number}/{count}"
            if world.send(path) == 503:
                sent.append(path)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(2)]
    for each in threads:
        each.start()
    for number in range(50 if pytestconfig.getoption("--long") else RELOADS):
        world.change(f"listeners/{world.listener}", "listener", connection_limit=1000 + number)
    is_over.set()
    for each in threads:
        each.join()
    assert len(sent) > 20
    wait_until(lambda: len(world.paths()) >= min(len(sent), 10_000), PATIENCE)
    if len(sent) < 10_000:
        assert sorted(world.paths()) == sorted(sent)


def test_lines_wait_for_a_server_that_restarts(tmp_path: Path, database_url: str) -> None:
    server = start_server(tmp_path / "state", f"--database={database_url}")
    try:
        world = World(server)
        world.change(f"loadbalancers/{world.id}/logging", "logging", enabled=True)
        world.send("/first")
        wait_until(lambda: world.paths() == ["/first"], PATIENCE)
        server.process.terminate()
        server.process.communicate(timeout=PATIENCE)
        away = [f"/away/{number}" for number in range(30)]
        assert {world.send(path) for path in away} == {503}
    finally:
        server.process.kill()
        server.process.communicate()
    again = start_server(tmp_path / "state", f"--database={database_url}")
    try:
        world.server = again
        deadline = time.monotonic() + PATIENCE
        while len(world.paths()) < len(away) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(set(away) - set(world.paths())) <= 1
        assert "/first" in world.paths()
    finally:
        end_server(again)


def test_settings_are_checked(world: World) -> None:
    path = f"listeners/{world.listener}/logging"
    assert world.ask("GET", path).json()["logging"]["enabled"] is False
    for values, word in (
        ({"headers": ["cookie"]}, "headers"),
        ({"headers": ["Host: x"]}, "headers"),
        ({"sampling": 0}, "sampling"),
        ({"retention": "much"}, "retention"),
        ({"surprise": 1}, "surprise"),
    ):
        answer = world.ask("PUT", path, {"logging": values})
        assert answer.status_code == 400
        assert word in answer.json()["faultstring"]
    world.change(path, "logging", enabled=True, sampling=5)
    assert world.ask("GET", path).json()["logging"]["sampling"] == 5
    assert world.ask("DELETE", path).status_code == 204
    wait_until(world.is_settled, PATIENCE)
    assert world.ask("GET", path).json()["logging"]["sampling"] == 1
    for query in ("status=teapot", "limit=0", "since=yesterday", "what=x", "path=" + "*" * 256):
        assert world.ask("GET", f"listeners/{world.listener}/logs?{query}").status_code == 400


def test_one_in_so_many_requests_is_logged(world: World) -> None:
    """Requests are chosen by chance: of 200, one in two is between 50 and 150 in all but one of 10^12 runs."""
    path = f"listeners/{world.listener}/logging"
    world.change(path, "logging", enabled=True, sampling=2)
    for number in range(200):
        world.send(f"/{number}")
    wait_until(lambda: len(world.paths()) >= 50, PATIENCE)
    world.change(path, "logging", enabled=True, sampling=1)
    wait_until(lambda: world.send("/last") == 503 and "/last" in world.paths(), PATIENCE)
    assert len(set(world.paths())) <= 151


def test_failed_handshakes_have_lines(world: World, tmp_path: Path) -> None:
    made = certified("shop.example", authority(), "shop.example")
    (tmp_path / "server.pem").write_text(made.pem + made.key_pem())
    words = ("--name", "tls", "--protocol", "TERMINATED_HTTPS", "--protocol-port", "8443")
    run(world.server, "listener", "create", *words, f"--certificate-file={tmp_path}/server.pem", "--wait", "lb1")
    run(world.server, "listener", "set", "--logging", "on", "--wait", "tls")
    distrusting = ssl.create_default_context()
    with (
        pytest.raises(ssl.SSLError),
        socket.create_connection((world.address, 8443), timeout=PATIENCE) as plain,
        distrusting.wrap_socket(plain, server_hostname="shop.example"),
    ):
        pass
    with socket.create_connection((world.address, 8443), timeout=PATIENCE) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        plain.recv(100)

    def failures() -> list[str]:
        return [line for line in run(world.server, "logs", "tls").splitlines() if "SSL handshake failure" in line]

    wait_until(lambda: len(failures()) == 2, PATIENCE)
    assert "http request" in failures()[1]


def test_a_trace_is_continued_or_begun(world: World) -> None:
    """The member gets the client's trace with a span of its own, or a new trace, whose ID is in the line."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            got.append(str(self.headers["traceparent"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as member:
        threading.Thread(target=member.serve_forever, daemon=True).start()
        pool = ("--name", "pool", "--protocol", "HTTP", "--lb-algorithm", "ROUND_ROBIN", "--listener", "web")
        run(world.server, "pool", "create", *pool, "--wait")
        address = ("--address", "127.0.0.1", "--protocol-port", str(member.server_port))
        run(world.server, "member", "create", *address, "--wait", "pool")
        run(world.server, "listener", "set", "--logging", "trace=on", "--wait", "web")
        trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
        assert world.send("/continued", traceparent=f"00-{trace}-{span}-00") == 204
        assert world.send("/begun") == 204
        assert world.send("/forged", traceparent=f'00-{trace[:31]}"-{span}-00') == 204
        member.shutdown()
    wait_until(lambda: len(world.logs()) == 3, PATIENCE)
    logged = [each["trace"] for each in world.logs()]
    parts = [each.split("-") for each in got]
    assert [each[1] for each in parts] == logged
    assert (logged[0], parts[0][3]) == (trace, "00")
    assert len({trace, *logged}) == 3
    assert {(len(each[1]), len(each[2]), each[0]) for each in parts} == {(32, 16, "00")}
    assert span not in {each[2] for each in parts}
