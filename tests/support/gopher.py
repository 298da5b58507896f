"""Requests as gophercloud makes them, which Terraform and Kubernetes are built on: what it refuses fails a test."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import yaml

from running import RunningServer, wait_until

# What it takes for success; anything else is an error to it.
SUCCESS = {"GET": {200}, "POST": {201, 202}, "PUT": {200, 201, 202}, "DELETE": {202, 204}}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
PENDING = {"PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE"}


class Gopher:
    """A login with a password, and the endpoints of its catalog."""

    def __init__(self, server: RunningServer, cloud: str = "lbclient") -> None:
        auth = yaml.safe_load((server.state_directory / "clouds.yaml").read_text())["clouds"][cloud]["auth"]
        domain = {"id": "default"}
        user = {"name": auth["username"], "password": auth["password"], "domain": domain}
        scope = {"project": {"name": auth["project_name"], "domain": domain}}
        body: Any = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer = requests.post(f"{auth['auth_url']}/v3/auth/tokens", json=body, timeout=20)
        assert answer.status_code == 201, answer.text
        self.project_id = answer.json()["token"]["project"]["id"]
        self.token = answer.headers["X-Subject-Token"]
        self._headers = {"X-Auth-Token": self.token, "Accept": "application/json"}
        self.endpoints = {
            service["type"]: next(each["url"] for each in service["endpoints"] if each["interface"] == "public")
            for service in answer.json()["token"]["catalog"]
        }

    def send(self, method: str, path: str, body: Any = None, service: str = "load-balancer") -> requests.Response:
        url = f"{self.endpoints[service].rstrip('/')}/{path}"
        return requests.request(method, url, json=body, headers=self._headers, timeout=20)

    def ask(self, method: str, path: str, body: Any = None, service: str = "load-balancer") -> Any:
        """The answer to what has to succeed."""
        answer = self.send(method, path, body, service)
        assert answer.status_code in SUCCESS[method], f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def lb(self, method: str, path: str, body: Any = None) -> Any:
        return self.ask(method, f"v2.0/lbaas/{path}", body)

    def net(self, method: str, path: str, body: Any = None) -> Any:
        return self.ask(method, f"v2.0/{path}", body, "network")

    def found(self, collection: str, name: str) -> Any:
        """The only object of the network API with a name."""
        [one] = self.net("GET", f"{collection}?name={name}")[collection]
        return one

    def active(self, path: str) -> Any:
        """The object when it is ACTIVE; it may be pending before, and nothing else."""
        shown: dict[str, Any] = {}

        def is_active() -> bool:
            [shown["it"]] = self.lb("GET", path).values()
            assert shown["it"]["provisioning_status"] in PENDING | {"ACTIVE"}
            return bool(shown["it"]["provisioning_status"] == "ACTIVE")

        wait_until(is_active, 20)
        assert TIME.fullmatch(shown["it"]["created_at"])
        return shown["it"]

    def gone(self, path: str) -> None:
        """Waits for the 404 that follows a deletion; the object is pending or still ACTIVE until then."""

        def is_gone() -> bool:
            answer = self.send("GET", f"v2.0/lbaas/{path}")
            if answer.status_code == 200:
                [left] = answer.json().values()
                assert left["provisioning_status"] in PENDING | {"ACTIVE"}
            return answer.status_code == 404

        wait_until(is_gone, 20)


class Site(http.server.BaseHTTPRequestHandler):
    """Says its port at every path."""

    def do_GET(self) -> None:
        content = str(self.connection.getsockname()[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@contextmanager
def sites(number: int) -> Iterator[list[int]]:
    """The ports of some web servers on 127.0.0.1."""
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) for _ in range(number)]
    for each in servers:
        threading.Thread(target=each.serve_forever, daemon=True).start()
    try:
        yield [each.server_address[1] for each in servers]
    finally:
        for each in servers:
            each.shutdown()
            each.server_close()


def answers(url: str, times: int = 4) -> set[str]:
    """The different answers of some requests, each on a connection of its own; an error's status in their place."""
    came = set()
    for _ in range(times):
        with requests.Session() as session:
            session.trust_env = False
            try:
                answer = session.get(url, timeout=5, allow_redirects=False)
            except requests.ConnectionError:
                came.add("refused")
                continue
        came.add(answer.text if answer.status_code == 200 else str(answer.status_code))
    return came
