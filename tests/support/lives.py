"""A server over many lives, and clients that notice whether anything is missing."""

from __future__ import annotations

import http.server
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from lbclient.dataplane.haproxy import runtime
from running import own_networks

LOAD_PAUSE = 0.003  # seconds between two requests of one client
CLIENTS = 2
CONVERGE_SECONDS = 20.0


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def member() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


class Load:
    """Requests over new connections, without end, until it is stopped; what went wrong."""

    def __init__(self, address: str, port: int) -> None:
        self.target = (address, port)
        self.sent = 0
        self.failures: list[str] = []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self._send) for _ in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        for thread in self.threads:
            thread.join(30)

    def _send(self) -> None:
        while not self.is_over.wait(LOAD_PAUSE):
            try:
                with socket.create_connection(self.target, timeout=10) as connection:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    answer = b"".join(iter(lambda: connection.recv(4096), b""))
                if b" 200 " not in answer[:20]:
                    self.failures.append(answer[:60].decode(errors="replace"))
            except OSError as error:
                self.failures.append(repr(error))
            self.sent += 1


class Server:
    """The server on one port and one state directory, over many lives."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self.directory = directory
        self.database_url = database_url
        self.port = free_port("127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port}"
        self.networks = own_networks()
        self.start()
        auth = yaml.safe_load((directory / "clouds.yaml").read_text())["clouds"]["lbclient-admin"]["auth"]
        user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
        scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer = requests.post(f"{self.url}/identity/v3/auth/tokens", json=body, timeout=10)
        self.headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}

    def start(self) -> None:
        command = [sys.executable, "-m", "lbclient.server.main", f"--bind-port={self.port}"]
        command.append(f"--database={self.database_url}")
        self.process = subprocess.Popen(
            [*command, *self.networks, f"--state-directory={self.directory}"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), "the server did not start"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=60)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.url}{path}", json=body, headers=self.headers, timeout=10)
        assert answer.status_code < 500, answer.text
        return answer.json() if answer.content else {}

    def all(self) -> dict[str, list[Any]]:
        """Every object there is, by collection."""
        lbaas = "/v2.0/lbaas"
        found = {
            name: self.ask("GET", f"{lbaas}/{name}")[name]
            for name in ("loadbalancers", "listeners", "pools", "healthmonitors", "l7policies")
        }
        for pool in found["pools"]:
            members = self.ask("GET", f"{lbaas}/pools/{pool['id']}/members")  # an error, where the pool has just gone
            found[f"members of {pool['id']}"] = members.get("members", [])
        return found


def create(server: Server, key: str, path: str, **values: Any) -> Any:
    answer = server.ask("POST", f"/v2.0/lbaas/{path}", {key: values})
    assert key in answer, answer
    return answer[key]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + CONVERGE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_settled(server: Server) -> bool:
    objects = [each for found in server.all().values() for each in found]
    assert not [each for each in objects if each["provisioning_status"] == "ERROR"]
    return all(each["provisioning_status"] == "ACTIVE" for each in objects)


def runs_what_is_stored(server: Server, loadbalancer_id: str, pool_id: str) -> bool:
    """HAProxy's own list of servers and weights is the API's."""
    rows = runtime.states(server.directory / "haproxy" / loadbalancer_id)
    running = {(row["srv_name"], int(row["srv_uweight"])) for row in rows if row["be_name"] == pool_id}
    members = server.ask("GET", f"/v2.0/lbaas/pools/{pool_id}/members")["members"]
    return running == {(each["id"], each["weight"]) for each in members}
