"""The systemd unit, and what the server tells systemd."""

from __future__ import annotations

import configparser
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from running import end_server, own_networks, start_server

UNITS = Path(__file__).parents[2] / "contrib" / "systemd"
NAMES = ("lbclient.service", "lbclient-agent.service")


def test_systemd_is_told_when_the_server_is_ready_and_when_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        server = start_server(tmp_path / "state", *own_networks())
        assert listener.recv(1000).decode() == "READY=1"
        end_server(server)
        assert listener.recv(1000) == b"STOPPING=1"


def unit(name: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / name)
    return parser


@pytest.mark.parametrize("name", NAMES)
def test_haproxy_outlives_the_unit(name: str) -> None:
    assert unit(name)["Service"]["KillMode"] == "process"
    assert unit(name)["Service"]["Type"] == "notify"


@pytest.mark.parametrize("name", NAMES)
def test_the_unit_has_no_more_of_root_than_addresses_and_ports(name: str) -> None:
    service = unit(name)["Service"]
    assert service["User"] == "lbclient"
    assert service["CapabilityBoundingSet"].split() == ["CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN", "CAP_NET_RAW"]


@pytest.mark.parametrize("name", NAMES)
def test_systemd_takes_the_unit(tmp_path: Path, name: str) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "lbclient"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = (UNITS / name).read_text().replace("/opt/lbclient/bin/lbclient", str(program))
    (tmp_path / name).write_text(text.replace("Documentation=man:lbclient-running(1)\n", ""))
    checked = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / name)],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    ours = [line for line in checked.stderr.splitlines() if "lbclient" in line]
    assert ours == []
