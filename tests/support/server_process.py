"""A server as a process of its own, and what it leaves in its state directory."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests
import yaml

MAIN = [sys.executable, "-m", "lbclient.server.main"]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """A server that is expected not to start."""
    return subprocess.run([*MAIN, *options], capture_output=True, text=True, timeout=120)


class Server:
    """A server process on a free port."""

    def __init__(self, state: Path, *options: str) -> None:
        command = [*MAIN, f"--state-directory={state}", "--bind-port=0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.url = self.line.split()[-1]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """The exit status and the log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=120)
        return self.process.returncode, log


def clouds(state: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((state / "clouds.yaml").read_text())["clouds"])


def log_in(cloud: dict[str, Any]) -> requests.Response:
    given = cloud["auth"]
    user = {"name": given["username"], "password": given["password"], "domain": {"id": given["user_domain_id"]}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    return requests.post(f"{given['auth_url']}/v3/auth/tokens", json=body, timeout=10)


def scoped_token(state: Path, cloud: str = "lbclient") -> str:
    """A token for the project of a cloud."""
    given = clouds(state)[cloud]["auth"]
    user = {"name": given["username"], "password": given["password"], "domain": {"id": given["user_domain_id"]}}
    project = {"name": given["project_name"], "domain": {"id": given["project_domain_id"]}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": project}}}
    return requests.post(f"{given['auth_url']}/v3/auth/tokens", json=body, timeout=10).headers["X-Subject-Token"]


def networks(server: Server, token: str) -> requests.Response:
    headers = {"X-Auth-Token": token}
    return requests.get(f"{server.url}/networking/v2.0/networks", headers=headers, timeout=10)
