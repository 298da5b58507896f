"""Schemathesis over the whole description, against a running server: no 5xx, and no answer that is not described."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from running import RunningServer, end_server, start_server

MODES = ("--network=noop", "--certificates=noop", "--providers=noop_driver", "--default-provider=noop_driver")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
SHORT = 60  # seconds; with --long more, with another seed each time
# Fuzzing finds other things each time, since IDs differ: it is for long runs, what it finds becomes a test of its own.
PHASES = "examples,coverage,stateful"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    running = start_server(tmp_path / "state", *MODES)
    try:
        yield running
    finally:
        end_server(running)


def token(server: RunningServer) -> str:
    """The administrator's."""
    login = yaml.safe_load((server.state_directory / "clouds.yaml").read_text())["clouds"]["lbclient-admin"]["auth"]
    user = {"name": login["username"], "domain": {"id": "default"}, "password": login["password"]}
    scope = {"project": {"name": login["project_name"], "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": scope}}
    return requests.post(f"{server.url}/identity/v3/auth/tokens", json=body, timeout=10).headers["X-Subject-Token"]


def test_every_answer_is_described(server: RunningServer, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    minutes = pytestconfig.getoption("long")
    seed, seconds, examples = (secrets.randbelow(2**31), minutes * 60, 500) if minutes else (1, SHORT, 12)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/load-balancer/v2.0/openapi.json"]
    command += [f"--seed={seed}", f"--max-time={seconds}", f"--max-examples={examples}", f"--checks={','.join(CHECKS)}"]
    command += [] if minutes else [f"--phases={PHASES}"]
    command += ["--continue-on-failure", "--no-color", "--warnings=off", "--generation-database=none"]
    command += ["--header", f"X-Auth-Token: {token(server)}"]
    hooks = {"SCHEMATHESIS_HOOKS": "living", "PYTHONPATH": str(Path(__file__).parents[1] / "support")}
    ended = subprocess.run(command, env={**os.environ, **hooks}, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "No issues found" in ended.stdout
