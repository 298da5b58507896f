"""A server that asks for no login, with real load balancers, and requests to it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from running import RunningServer, end_server, own_networks, start_server

PROJECT = "a" * 32
NETWORKING = "/networking/v2.0"


class Site:
    """A server, and requests to it as an admin of a project."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server

    def ask(self, method: str, path: str, kind: str, **values: Any) -> Any:
        body = {kind: values} if values else None
        answer = self.answer(method, path, body)
        assert answer.status_code < 300, answer.text
        return answer.json()[kind] if answer.content else None

    def answer(self, method: str, path: str, body: Any) -> requests.Response:
        headers = {"X-Project-Id": PROJECT, "X-Roles": "admin", "X-User-Id": "u"}
        return requests.request(method, self.server.url + path, json=body, headers=headers, timeout=20)

    def made(self, path: str, kind: str, **values: Any) -> Any:
        return self.ask("POST", path, kind, **values)

    def rule(self, group: Any, **values: Any) -> Any:
        usual = {"security_group_id": group["id"], "direction": "ingress"}
        return self.made(f"{NETWORKING}/security-group-rules", "security_group_rule", **{**usual, **values})

    def without(self, rule: Any) -> None:
        self.ask("DELETE", f"{NETWORKING}/security-group-rules/{rule['id']}", "")


@contextmanager
def served(directory: Path, *options: str) -> Iterator[Site]:
    """A site for the duration of the block; its processes end with it."""
    server = start_server(directory / "state", "--auth=noauth", *own_networks(), *options)
    try:
        yield Site(server)
    finally:
        end_server(server)
        for each in (directory / "state" / "haproxy").glob("*/*.pid"):
            os.kill(int(each.read_text()), signal.SIGKILL)
