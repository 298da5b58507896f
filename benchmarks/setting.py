"""What the benchmarks run on: a server of their own on loopback, and requests to its API."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

DEADLINE = 30.0  # seconds that anything may take


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def free_ports(count: int) -> list[int]:
    """As many different free ports: all of them are held until the last one is found."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def wait_for(condition: Callable[[], Any], pause: float = 0.001) -> Any:
    """The first true value of a condition. Raises TimeoutError."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(pause)
    raise TimeoutError


class Client:
    """One kept-alive connection to the API, as the administrator."""

    pid = 0  # of the server

    def __init__(self, port: int, clouds: Path) -> None:
        self.clouds = clouds
        cloud = yaml.safe_load(clouds.read_text())["clouds"]["lbclient-admin"]
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        auth = cloud["auth"]
        user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
        body = json.dumps({"auth": {"identity": identity, "scope": scope}})
        self.connection.request("POST", "/identity/v3/auth/tokens", body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        answer.read()
        self.headers = {"X-Auth-Token": answer.headers["X-Subject-Token"], "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer. Raises RuntimeError for errors."""
        text = None if body is None else json.dumps(body)
        try:
            answer = self._send(method, path, text)
        except http.client.RemoteDisconnected:  # the server has closed a connection that was idle for long
            answer = self._send(method, path, text)
        content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {content.decode()}")
        return json.loads(content) if content else None

    def _send(self, method: str, path: str, text: str | None) -> http.client.HTTPResponse:
        self.connection.request(method, path, text, self.headers)
        return self.connection.getresponse()

    def create(self, kind: str, path: str, **values: Any) -> Any:
        return self.ask("POST", f"/v2.0/lbaas/{path}", {kind: values})[kind]

    def is_active(self, path: str, kind: str) -> bool:
        status: str = self.ask("GET", f"/v2.0/lbaas/{path}")[kind]["provisioning_status"]
        if status == "ERROR":
            raise RuntimeError(f"{path} is in ERROR")
        return status == "ACTIVE"

    def loadbalancer(self) -> Any:
        [subnet] = self.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
        return self.create("loadbalancer", "loadbalancers", vip_subnet_id=subnet["id"])


@contextmanager
def server(*options: str) -> Iterator[Client]:
    """A server with these options in a directory of its own; it and its HAProxy processes end with the block."""
    with tempfile.TemporaryDirectory(prefix="lbclient-benchmark-") as directory:
        port = free_port()
        command = [sys.executable, "-m", "lbclient.server.main", "--state-directory", directory]
        process = subprocess.Popen(
            [*command, "--bind-port", str(port), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        clouds = Path(directory, "clouds.yaml")
        wait_for(lambda: clouds.exists() and _answers(port), 0.02)
        client = Client(port, clouds)
        client.pid = process.pid
        try:
            yield client
        finally:
            for balancer in client.ask("GET", "/v2.0/lbaas/loadbalancers")["loadbalancers"]:
                client.ask("DELETE", f"/v2.0/lbaas/loadbalancers/{balancer['id']}?cascade=true")
            wait_for(lambda: not client.ask("GET", "/v2.0/lbaas/loadbalancers")["loadbalancers"], 0.02)
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def row(what: str, seconds: list[float]) -> str:
    """A line of a table: median, ninth decile and worst, in milliseconds."""
    deciles = statistics.quantiles(seconds, n=10)
    figures = (statistics.median(seconds), deciles[-1], max(seconds))
    return f"{what:<58}" + "".join(f"{figure * 1000:9.1f}" for figure in figures)


HEADER = f"{'milliseconds':<58}{'median':>9}{'p90':>9}{'worst':>9}"


def haproxy() -> str:
    from lbclient.dataplane.haproxy.binary import find_haproxy

    return os.fspath(find_haproxy(None))
