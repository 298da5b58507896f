"""Imports of the stand-alone program's commands: no more than each command needs."""

from __future__ import annotations

import subprocess
import sys

NEVER = (
    "openstack",
    "osc_lib",
    "oslo_utils",
    "cmd2",
    "prompt_toolkit",
    "sqlalchemy",
    "falcon",
    "cryptography",
    "lbclient.server",
    "lbclient.store",
    "lbclient.dataplane",
    "lbclient.lab",
)
PROGRAM = """
import sys
from lbclient.cli.shell import main
status = main(sys.argv[1:])
print(status, *sorted(sys.modules), file=sys.stderr)
"""


def loaded(environment: dict[str, str], *arguments: str) -> set[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    status, *modules = result.stderr.split()
    assert status == "0", result.stderr
    return set(modules)


def test_a_list_loads_nothing_of_openstack_and_of_the_server(cloud) -> None:
    modules = loaded(cloud.environment(), "loadbalancer", "list")
    assert not {module for module in modules if module.split(".")[0] in NEVER or module.startswith(NEVER[-4:])}


def test_one_command_loads_no_other(cloud) -> None:
    others = {"nouns.listener", "nouns.pool", "nouns.member", "nouns.healthmonitor", "nouns.l7policy", "neutron.views"}
    modules = loaded(cloud.environment(), "loadbalancer", "list")
    assert not {f"lbclient.cli.{other}" for other in others} & modules


def test_help_needs_no_http(cloud) -> None:
    modules = loaded(cloud.environment(), "help", "loadbalancer", "create")
    assert not {"requests", "keystoneauth1", "yaml"} & modules
