"""A load balancer whose traffic is logged, as its user has it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import requests

from running import RunningServer, lbclient, wait_until
from server_process import scoped_token

PORT = 8080
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
