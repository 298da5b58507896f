"""Traffic logs from request to terminal: complete over reloads and restarts, and harmless whatever clients send."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from running import RunningServer, end_server, lbclient, start_server, wait_until
from server_process import scoped_token

PORT = 8080
RELOADS = 3  # 50 with --long
PATIENCE = 30.0  # s


class World:
    """A load balancer with an HTTP listener, whose traffic is logged, and requests to the API."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self._headers = {"X-Auth-Token": scoped_token(server.state_directory)}
        words = ("create", "--name", "lb1", "--vip-subnet-id", "private-subnet", "--wait", "-f", "json")
        made = json.loads(run(server, *words))
        self.id, self.address = made["id"], made["vip_address"]
        listener = ("--name", "web", "--protocol", "HTTP", "--protocol-port", str(PORT))
        self.listener = json.loads(run(server, "listener", "create", *listener, "--wait", "lb1", "-f", "json"))["id"]

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        url = f"{self.server.url}/load-balancer/v2.0/lbaas/{path}"
        return requests.request(method, url, json=body, headers=self._headers, timeout=PATIENCE)

    def change(self, path: str, key: str, **values: Any) -> None:
        answer = self.ask("PUT", path, {key: values})
        assert answer.status_code == 200, answer.text
        wait_until(self.is_settled, PATIENCE)

    def is_settled(self) -> bool:
        return bool(
            self.ask("GET", f"loadbalancers/{self.id}").json()["loadbalancer"]["provisioning_status"] == "ACTIVE"
        )

    def logs(self, query: str = "") -> list[dict[str, Any]]:
        answer = self.ask("GET", f"listeners/{self.listener}/logs?limit=10000&{query}")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["logs"])

    def paths(self) -> list[str]:
        return [each.get("path", "") for each in self.logs()]

    def send(self, path: str, **headers: str) -> int:
        return requests.get(f"http://{self.address}:{PORT}{path}", headers=headers, timeout=PATIENCE).status_code


def run(server: RunningServer, *words: str) -> str:
    done = subprocess.run(
        lbclient("loadbalancer", *words), env=server.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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
    for query in ("status=teapot", "limit=0", "since=yesterday", "what=x"):
        assert world.ask("GET", f"listeners/{world.listener}/logs?{query}").status_code == 400
