"""Application credentials with the genuine openstack command, made and used."""

from __future__ import annotations

import json
from typing import Any

import genuine_openstack


def openstack(environment: dict[str, str], *words: str, status: int = 0) -> str:
    ended = genuine_openstack.openstack(environment, *words)
    assert ended.returncode == status, ended.stderr
    return ended.stdout.strip() if status == 0 else ended.stderr


def test_a_program_gets_its_own_way_in(server: Any) -> None:
    words = ("application", "credential", "create", "robot", "--role", "member", "--secret", "s3cret", "-f", "json")
    made = json.loads(openstack(server.environment, *words))
    kept = {name: value for name, value in server.environment.items() if not name.startswith("OS_")}
    robot = {
        **kept,
        "OS_AUTH_TYPE": "v3applicationcredential",
        "OS_AUTH_URL": f"{server.url}/identity",
        "OS_APPLICATION_CREDENTIAL_ID": made["ID"],
        "OS_APPLICATION_CREDENTIAL_SECRET": "s3cret",
        "OS_CLIENT_CONFIG_FILE": "/nonexistent",
    }
    assert openstack(robot, "loadbalancer", "list", "-f", "value") == ""
    assert "not allowed" in openstack(robot, "application", "credential", "create", "another", status=1)
    listed = json.loads(openstack(server.environment, "application", "credential", "list", "-f", "json"))
    assert [each["Name"] for each in listed] == ["robot"]
    openstack(server.environment, "application", "credential", "delete", "robot")
    assert "401" in openstack(robot, "loadbalancer", "list", status=1)
