"""Labs with hosts, and the demo of failovers, as an ordinary user has them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import uuid
from collections.abc import Sequence

import pytest

from lbclient.lab import site
from running import Lab, lbclient, processes_with, wait_until

LONG = 600.0  # seconds, for all of a lab
MEASURED = re.compile(r"For \d+\.\d\d seconds, no new request was answered within 0\.2 seconds: |noticed nothing: ")
# A load balancer on two hosts, whose holder loses its power and comes back.
SCRIPT = r"""
set -e
until_true() { for _ in $(seq 600); do eval "$1" && return; sleep 0.1; done; echo "never true: $1" >&2; exit 1; }
holders() { for each in host1 host2 host3; do has $each && echo $each; done; true; }
has() { on-host $1 ip -4 address show dev eth0 2>/dev/null | grep -q " $VIP/"; }
serves() { curl --silent --max-time 2 "http://$VIP/" | grep -q "Server : server-1"; }
lbclient --os-cloud lbclient-admin host list -f value -c name -c heard
lbclient loadbalancer create --flavor active-standby --vip-subnet-id private-subnet --name web --wait >/dev/null
lbclient loadbalancer listener create --name http --protocol HTTP --protocol-port 80 --wait web >/dev/null
lbclient loadbalancer pool create --name shop --protocol HTTP --lb-algorithm ROUND_ROBIN --listener http --wait \
    >/dev/null
lbclient loadbalancer member create --address 10.0.0.4 --protocol-port 80 --wait shop >/dev/null
VIP=$(lbclient loadbalancer show web -f value -c vip_address)
until_true serves
until_true '[ $(holders | wc -l) = 1 ]'
first=$(holders)
power off $first
power | grep -q "^$first  off$"
power | grep -c "  on$"
until_true '[ -n "$(holders)" ]'
until_true serves
second=$(holders)
[ $first != $second ]
on-host $first true || echo "exit status $?"
power on $first
power | grep -c "  on$"
on-host $first ip -4 address show dev eth0 | grep -c "10\.0\.0\.2[123]/16"
until_true '[ "$(holders)" = $second ]'
until_true serves
exit 5
"""


@pytest.fixture(autouse=True)
def _is_possible(open_lab: Lab) -> None:
    what = site.missing()
    if what is not None:
        pytest.skip(f"{what} is not installed")


def test_a_host_dies_and_comes_back(unprivileged: Sequence[str]) -> None:
    line = [*unprivileged, *lbclient("lab", "--hosts", "3", "--", "bash", "-c", SCRIPT)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=LONG, stdin=subprocess.DEVNULL)
    assert done.returncode == 5, done.stdout + done.stderr
    assert done.stdout.split("\n") == [
        "server True",
        "host1 True",
        "host2 True",
        "host3 True",
        "2",
        "exit status 1",
        "3",
        "1",
        "",
    ]
    assert re.fullmatch(r"on-host: host\d is off\n", done.stderr)


def test_the_demo_of_failovers(unprivileged: Sequence[str]) -> None:
    line = [*unprivileged, *lbclient("demo", "--failover")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=LONG, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    parts = done.stdout.split("\n\nA host dies\n")[1].split("\n\nIt comes back\n")
    parts[1:] = parts[1].split("\n\nA planned move\n")
    assert len(parts) == 3
    for part in parts:
        assert MEASURED.search(" ".join(part.split())), part
    assert re.search(r"\n\d+ commands, \d+ checks, [\d.]+ seconds\.\n", parts[2])
    for part in parts[1:]:
        assert "  ok: no request failed" in part or "This machine is too busy" in part


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGTERM, ("lab", "--hosts", "2", "--", "sh", "-c", "echo Three hosts; exec sleep 1000")),
        (signal.SIGKILL, ("lab", "--hosts", "2", "--", "sh", "-c", "echo Three hosts; exec sleep 1000")),
        (signal.SIGINT, ("demo", "--failover")),
    ],
    ids=["lab-sigterm", "lab-sigkill", "demo-sigint"],
)
def test_ended_by_a_signal_it_leaves_nothing(unprivileged: Sequence[str], number: int, words: Sequence[str]) -> None:
    marker = f"lbclient-test-{uuid.uuid4()}"
    opened = subprocess.Popen(
        [*unprivileged, *lbclient(*words)],
        env={**os.environ, "MARKER": marker},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert opened.stdout is not None
    assert any("Three hosts" in line for line in opened.stdout)
    assert len(processes_with(marker)) > 5  # the server, and agents of two hosts
    opened.send_signal(number)
    opened.communicate(timeout=60)
    assert opened.returncode != 0
    wait_until(lambda: not processes_with(marker), 30)


def test_a_program_that_is_missing_is_named(open_lab: Lab) -> None:
    hide = "mount -t tmpfs none /usr/sbin; mount -t tmpfs none /usr/local/sbin; "
    done = open_lab("sh", "-c", hide + "lbclient lab --hosts 2 -- true; lbclient demo --failover")
    said = "keepalived (Debian's package keepalived) is not installed; hosts need it.\n"
    assert done.stderr == f"lbclient lab: {said}lbclient demo: {said}"
    assert done.returncode == 1


@pytest.mark.parametrize("number", ["1", "10", "three"])
def test_how_many_hosts(number: str) -> None:
    done = subprocess.run(lbclient("lab", "--hosts", number, "--", "true"), capture_output=True, text=True)
    assert done.returncode == 2
    assert "--hosts" in done.stderr
