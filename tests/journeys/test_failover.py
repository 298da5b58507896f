"""Failing over under constant traffic: another process takes over, and no request fails."""

from __future__ import annotations

import http.client
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from lbclient.dataplane.haproxy import runtime
from running import RunningServer, wait_until

ROUNDS = 6
CLIENTS = 3


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def member() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


class Admin:
    """Requests of the administrator to the load-balancer API."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        auth = yaml.safe_load((server.state_directory / "clouds.yaml").read_text())["clouds"]["lbclient-admin"]["auth"]
        user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
        scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer = requests.post(f"{server.url}/identity/v3/auth/tokens", json=body, timeout=10)
        self.headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.server.url}{path}", json=body, headers=self.headers, timeout=10)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else answer.status_code

    def make(self, collection: str, key: str, **values: Any) -> Any:
        return self.ask("POST", f"/v2.0/lbaas/{collection}", {key: values})[key]

    def amphora(self, loadbalancer_id: str) -> Any:
        [found] = self.ask("GET", f"/v2.0/octavia/amphorae?loadbalancer_id={loadbalancer_id}")["amphorae"]
        return found

    def is_active(self, loadbalancer_id: str) -> bool:
        shown = self.ask("GET", f"/v2.0/lbaas/loadbalancers/{loadbalancer_id}")["loadbalancer"]
        assert shown["provisioning_status"] in ("ACTIVE", "PENDING_UPDATE")
        return bool(shown["provisioning_status"] == "ACTIVE")


class Traffic:
    """Clients that ask without pause, each request on a connection of its own, or all of them on one."""

    def __init__(self, address: str, port: int) -> None:
        self.address = (address, port)
        self.sent = 0
        self.failures: list[str] = []
        self._is_over = threading.Event()
        kinds: list[Callable[[], None]] = [self._on_new_connections] * CLIENTS + [self._on_one_connection]
        self._threads = [threading.Thread(target=kind) for kind in kinds]

    @contextmanager
    def flowing(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in self._threads:
                thread.join(30)

    def _on_new_connections(self) -> None:
        while not self._is_over.is_set():
            connection = http.client.HTTPConnection(*self.address, timeout=10)
            self._ask(connection)
            connection.close()

    def _on_one_connection(self) -> None:
        connection = http.client.HTTPConnection(*self.address, timeout=10)
        while not self._is_over.is_set():
            self._ask(connection)  # an old worker says "Connection: close", and a new connection is made
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            if (answer.status, answer.read()) != (200, b"hello"):
                self.failures.append(f"status {answer.status}")
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
            connection.close()
        self.sent += 1


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def worker(directory: Path) -> int:
    return runtime.worker(directory).pid


def test_no_request_fails_while_another_process_takes_over(server: RunningServer, member: int) -> None:
    admin = Admin(server)
    [subnet] = admin.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
    balancer = admin.make("loadbalancers", "loadbalancer", vip_subnet_id=subnet["id"])
    id_, port = balancer["id"], free_port(balancer["vip_address"])
    listener = admin.make("listeners", "listener", loadbalancer_id=id_, protocol="HTTP", protocol_port=port)
    pool = admin.make("pools", "pool", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    admin.make(f"pools/{pool['id']}/members", "member", address="127.0.0.1", protocol_port=member)
    wait_until(lambda: admin.is_active(id_))
    directory = server.state_directory / "haproxy" / id_
    traffic = Traffic(balancer["vip_address"], port)
    amphorae, workers = [admin.amphora(id_)["id"]], [worker(directory)]
    with traffic.flowing():
        for number in range(ROUNDS):
            before = traffic.sent
            wait_until(lambda before=before: traffic.sent > before + 50)
            amphora = f"/v2.0/octavia/amphorae/{amphorae[-1]}"
            path = f"/v2.0/lbaas/loadbalancers/{id_}" if number % 2 else amphora
            assert admin.ask("PUT", f"{path}/failover") == 202
            wait_until(lambda: admin.is_active(id_))
            amphorae.append(admin.amphora(id_)["id"])
            workers.append(worker(directory))
        before = traffic.sent
        wait_until(lambda: traffic.sent > before + 50)
    assert traffic.failures == []
    assert len(set(amphorae)) == len(set(workers)) == ROUNDS + 1
    assert f"node {amphorae[-1]}" in (directory / "haproxy.cfg").read_text()
