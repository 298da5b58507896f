"""Closed standard streams: what is asked for is done, and nothing is written where it does not belong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from running import lbclient

OPENSTACK = [sys.executable, "-c", "import sys; from openstackclient.shell import main; sys.exit(main(sys.argv[1:]))"]
REDIRECTIONS = ("2>&-", ">&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-")


def shell(command: list[str], redirection: str, environment: Any) -> subprocess.CompletedProcess[str]:
    line = ["bash", "-c", f'"$@" {redirection}', "-", *command]
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)


def test_a_change_is_made_and_said_to_be(run, cloud, loadbalancer):
    cases = [(lbclient(), redirection) for redirection in REDIRECTIONS]
    cases += [(OPENSTACK, redirection) for redirection in REDIRECTIONS[::4]]
    for number, (command, redirection) in enumerate(cases):
        words = ("loadbalancer", "set", "--wait", "--description", str(number), loadbalancer)
        done = shell([*command, *words], redirection, cloud.environment())
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert run("loadbalancer", "show", loadbalancer, "-f", "json").json["description"] == str(number)


@pytest.mark.parametrize("redirection", REDIRECTIONS)
def test_a_failure_is_one(cloud, redirection):
    done = shell(lbclient("loadbalancer", "show", "nothing"), redirection, cloud.environment())
    assert done.returncode == 1
    assert done.stderr == ("" if "2>" in redirection else "No load balancer has the name or ID 'nothing'.\n")


COMMANDS = (
    ("loadbalancer", "list"),
    ("loadbalancer", "status", "show", "LB"),
    ("loadbalancer", "top", "--batch", "--count", "1", "LB"),
    ("loadbalancer", "create", "--vip-subnet-id", "nowhere"),
    ("loadbalancer", "member", "set-all", "--file", "-", "nowhere"),
    ("loadbalancer", "apply", "-"),
    ("loadbalancer", "frobnicate"),
    ("loadbalancer", "list", "--nonsense"),
    ("--help",),
    ("complete", "bash"),
)


def test_every_kind_of_command_ends_as_with_its_streams(cloud, loadbalancer):
    for words in COMMANDS:
        command = lbclient(*(loadbalancer if word == "LB" else word for word in words))
        usual = shell(command, "</dev/null", cloud.environment())
        for redirection in ("</dev/null 2>&-", REDIRECTIONS[-1]):
            done = shell(command, redirection, cloud.environment())
            assert done.returncode == usual.returncode, (words, redirection)
            assert len(done.stdout) == (0 if " >&-" in redirection else len(usual.stdout)), (words, redirection)


def test_nothing_is_written_into_a_file_that_took_the_number_of_a_stream(cloud, loadbalancer, tmp_path: Path):
    """The login's file or the server's connection would be the standard error otherwise."""
    environment = {**cloud.environment(), "XDG_CACHE_HOME": str(tmp_path)}
    done = shell(lbclient("--debug", "loadbalancer", "list"), "2>&-", environment)
    assert done.returncode == 0
    (login,) = (tmp_path / "lbclient/logins").glob("*.json")
    assert json.loads(login.read_text())["form"]


def test_a_full_disk(cloud, loadbalancer):
    done = shell(lbclient("loadbalancer", "list"), "> /dev/full", cloud.environment())
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "No space left on device" in done.stderr


def test_a_server_without_streams(tmp_path: Path):
    """It says why it does not start, if stderr is open, and ends with the same status."""
    command = lbclient("server", "--state-directory", str(tmp_path), "--haproxy", "/nonexistent")
    usual = shell(command, "", None)
    assert usual.returncode == 1
    for redirection in ("<&- >&-", "<&- >&- 2>&-"):
        done = shell(command, redirection, None)
        assert (done.returncode, done.stderr) == (1, "" if "2>" in redirection else usual.stderr)
