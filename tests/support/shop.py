"""A small shop behind a load balancer: web servers in this process, and the API's objects in front of them."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import yaml

from running import RunningServer, wait_until


class _Page(http.server.BaseHTTPRequestHandler):
    """Answers every request; /hold waits until its server lets go."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are sent in two pieces

    def do_GET(self) -> None:
        server: Any = self.server
        if self.path == "/hold":
            server.let_go.wait(60)
        body = b"hello from the shop\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Listening(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Health checks close connections early."""

    def __init__(self, place: tuple[str, int]) -> None:
        super().__init__(place, _Page)
        self.let_go = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()


class WebServer:
    """One web server of the shop, which can fail and come back at the same port."""

    def __init__(self) -> None:
        self._server: _Listening | None = _Listening(("127.0.0.1", 0))
        self.port = self._server.server_address[1]

    def let_go(self) -> None:
        """Answer the requests for /hold."""
        if self._server:
            self._server.let_go.set()

    def fail(self) -> None:
        if self._server:
            self._server.let_go.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class Client:
    """A client of the API with the login of a cloud of clouds.yaml."""

    def __init__(self, server: RunningServer, cloud: str = "lbclient") -> None:
        self.url = server.url
        auth = yaml.safe_load((server.state_directory / "clouds.yaml").read_text())["clouds"][cloud]["auth"]
        self.name, self.password = str(auth["username"]), str(auth["password"])
        user = {"name": self.name, "password": self.password, "domain": {"id": "default"}}
        scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer = requests.post(f"{self.url}/identity/v3/auth/tokens", json=body, timeout=20)
        assert answer.status_code == 201, answer.text
        self.token = answer.headers["X-Subject-Token"]
        self.project_id = answer.json()["token"]["project"]["id"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Auth-Token": self.token}
        answer = requests.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=30)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def made(self, path: str, key: str, **values: Any) -> Any:
        return self.ask("POST", f"/v2/lbaas/{path}", {key: values})[key]

    def subnet_id(self, name: str = "private-subnet") -> str:
        return str(self.ask("GET", f"/networking/v2.0/subnets?name={name}")["subnets"][0]["id"])

    def balancer(self, name: str, **parts: Any) -> Any:
        return self.made("loadbalancers", "loadbalancer", name=name, vip_subnet_id=self.subnet_id(), **parts)

    def status(self, id_: str) -> str:
        return str(self.ask("GET", f"/v2/lbaas/loadbalancers/{id_}")["loadbalancer"]["operating_status"])

    def await_status(self, id_: str, status: str, seconds: float = 20.0) -> None:
        wait_until(lambda: self.status(id_) == status, seconds)


def shop(client: Client, servers: list[WebServer], name: str = "shop") -> Any:
    """A load balancer in one request: a listener with a policy, a pool with a health monitor and the servers."""
    members = [
        {"name": f"web{number}", "address": "127.0.0.1", "protocol_port": server.port}
        for number, server in enumerate(servers, 1)
    ]
    monitor = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1, "url_path": "/health"}
    pool = {"name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    policy = {
        "name": "no admin",
        "action": "REJECT",
        "rules": [{"type": "PATH", "compare_type": "STARTS_WITH", "value": "/admin"}],
    }
    listener = {
        "name": "http",
        "protocol": "HTTP",
        "protocol_port": 8080,
        "default_pool": {**pool, "healthmonitor": monitor},
        "l7policies": [policy],
    }
    return client.balancer(name, description="The shop's front door", listeners=[listener])


@contextmanager
def traffic(url: str) -> Iterator[None]:
    """Requests, one after the other, until the end."""
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(0.01):
            requests.get(url, timeout=10)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
