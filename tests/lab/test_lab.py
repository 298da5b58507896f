"""The lab as its users have it: commands, the server, both clouds, and systems that forbid it."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Sequence

import pytest

from running import Lab, lbclient, processes_with, wait_until

FORBID = "echo 0 > /proc/sys/user/max_user_namespaces; "  # inside one lab, for another one in it


def test_it_ends_with_the_status_of_the_command(open_lab: Lab) -> None:
    assert open_lab("sh", "-c", "exit 3").returncode == 3


def test_options_of_the_command_are_the_commands(open_lab: Lab) -> None:
    done = open_lab("sh", "-c", 'echo "$@"', "name", "--help", "--debug", "-f", "json")
    assert done.stdout == "--help --debug -f json\n"


def test_a_command_that_does_not_exist(open_lab: Lab) -> None:
    done = open_lab("no-such-command")
    assert (done.returncode, done.stderr) == (127, "lbclient lab: no-such-command: No such file or directory\n")


def test_without_a_command_it_is_the_users_shell(open_lab: Lab, unprivileged: Sequence[str]) -> None:
    environment = {**os.environ, "SHELL": "/bin/sh"}
    line = [*unprivileged, *lbclient("lab")]
    done = subprocess.run(line, env=environment, input="echo $((6 * 7)); exit 9", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (9, "42\n")
    assert len(done.stderr.splitlines()) == 1


def test_the_commands_are_the_user_demo(open_lab: Lab) -> None:
    done = open_lab("sh", "-c", "lbclient token issue -f value -c project_id; lbclient subnet list -f value -c Name")
    assert done.returncode == 0, done.stderr
    project, *subnets = done.stdout.split()
    assert len(project) == 32
    assert subnets == ["private-subnet", "public-subnet"]


@pytest.mark.parametrize("client", ["lbclient", "openstack"])
def test_the_admin_is_another_cloud_even_after_the_openrc(open_lab: Lab, client: str) -> None:
    issue = "token issue -f value -c project_id"
    script = f"{client} {issue}; source example-openrc.sh; {client} --os-cloud lbclient-admin {issue}; {client} {issue}"
    first, admin, second = open_lab("bash", "-c", script).stdout.split()
    assert first == second != admin


def test_the_users_own_cloud_and_proxies_stay_outside(
    open_lab: Lab, unprivileged: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OS_USERNAME", "OS_AUTH_URL", "OS_CLOUD", "https_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://elsewhere.example.com")
    assert "elsewhere" not in open_lab("env").stdout


def test_sudo_does_nothing(open_lab: Lab) -> None:
    assert open_lab("sudo", "id", "-u").stdout == "0\n"


def test_two_labs_at_once_have_nothing_in_common(open_lab: Lab, unprivileged: Sequence[str]) -> None:
    other = subprocess.Popen(
        [*unprivileged, *lbclient("lab", "--", "sh", "-c", "echo ready; exec cat")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "ready\n"
    create = "openstack loadbalancer create --vip-subnet-id private-subnet --name mine -f value -c vip_address"
    assert open_lab("sh", "-c", create).stdout == "10.0.0.100\n"
    assert open_lab("sh", "-c", create).stdout == "10.0.0.100\n"
    other.communicate()
    assert other.returncode == 0


def test_killed_with_a_load_balancer_at_work_nothing_is_left(open_lab: Lab, unprivileged: Sequence[str]) -> None:
    marker = f"lbclient-test-{uuid.uuid4()}"
    script = (
        "openstack loadbalancer create --vip-subnet-id private-subnet --name one >/dev/null;"
        "openstack loadbalancer listener create --protocol TCP --protocol-port 80 one >/dev/null;"
        "until pgrep haproxy >/dev/null; do sleep 0.1; done; echo ready; exec sleep 1000"
    )
    opened = subprocess.Popen(
        [*unprivileged, *lbclient("lab", "--", "sh", "-c", script)],
        env={**os.environ, "MARKER": marker},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert opened.stdout is not None
    with opened.stdout as said:
        assert said.readline() == "ready\n"
    opened.kill()
    opened.wait()
    wait_until(lambda: not processes_with(marker))


def test_a_system_that_forbids_it(open_lab: Lab) -> None:
    done = open_lab("sh", "-c", FORBID + "lbclient lab -- true")
    assert done.returncode == 1
    assert "does not allow a private network: No space left on device (unshare)" in done.stderr
    assert "sudo sysctl user.max_user_namespaces=15000" in done.stderr
    assert "Traceback" not in done.stderr
