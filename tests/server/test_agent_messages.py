"""Messages of an agent: a line when it starts, loses the server, hears it again, or is fenced."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from agents import LONG, Hosts, described
from running import end_server, wait_until


def test_an_agent_says_once_that_the_server_is_gone_and_that_it_is_back(hosts: Hosts) -> None:
    hosts.enroll("first")
    agent = hosts.start_agent("first", "first", capture_errors=True)
    wait_until(lambda: hosts.shown("first")["heard"] == "yes", LONG)
    end_server(hosts.server)
    wait_until(lambda: _is_refused(hosts), LONG)
    assert agent.stderr is not None
    lines = []
    while not lines or "not heard" not in lines[-1]:
        lines.append(agent.stderr.readline())
    hosts.server = hosts.start()
    wait_until(lambda: hosts.shown("first")["heard"] == "yes", LONG)
    agent.send_signal(signal.SIGTERM)
    lines += agent.communicate(timeout=60)[1].splitlines(keepends=True)
    said = "".join(lines)
    assert said.count("INFO lbclient.agent.main: version ") == 1
    assert f"attachment loopback, for the server at 127.0.0.1:{hosts.port}\n" in said
    assert "the server is not heard, will try again; what runs goes on: " in said
    assert said.count("the server is heard again, after ") == 1
    assert len(lines) < 12, said
    assert "Traceback" not in said


def test_an_agent_says_that_it_is_fenced(hosts: Hosts) -> None:
    hosts.enroll("first")
    agent = hosts.start_agent("first", "first", capture_errors=True)
    wait_until(lambda: hosts.shown("first")["heard"] == "yes", LONG)
    instance = (hosts.directory / "first" / "agent.id").read_text()
    epoch = hosts.connection("first").post("/register", described(instance=instance))["epoch"]
    wait_until(lambda: int(hosts.shown("first")["epoch"]) > epoch, LONG)
    agent.send_signal(signal.SIGTERM)
    said = agent.communicate(timeout=60)[1]
    assert said.count("WARNING lbclient.agent.main: fenced: ") == 1
    assert said.count("registered, epoch ") == 2


def test_lines_of_the_journal_begin_with_their_priority(tmp_path: Path) -> None:
    script = (
        "import logging; from lbclient.server import logs; logs.configure('text', False)\n"
        "logging.getLogger('lbclient.x').warning('one\\ntwo'); logging.getLogger('lbclient.x').info('three')\n"
    )
    path = tmp_path / "journal"
    with path.open("wb") as file:
        found = os.fstat(file.fileno())
        for stream in (f"{found.st_dev}:{found.st_ino}", "0:0"):
            subprocess.run(
                [sys.executable, "-c", script], stderr=file, env={**os.environ, "JOURNAL_STREAM": stream}, check=True
            )
    first, second, third, *others = path.read_text().splitlines()
    assert (first, second, third) == ("<4>lbclient.x: one", "<4>two", "<6>lbclient.x: three")
    assert others[0].endswith(" WARNING lbclient.x: one")


def _is_refused(hosts: Hosts) -> bool:
    try:
        socket.create_connection(("127.0.0.1", hosts.port), timeout=5).close()
    except OSError:
        return True
    return False
