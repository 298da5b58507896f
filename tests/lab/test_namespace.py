"""Worlds end with their opener, however it ends, and give the exit status of what ran in them."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from running import Lab, processes_with, wait_until

RUN = """
import os, sys
from lbclient.lab import namespace
sys.exit(namespace.run(lambda: os.execvp(sys.argv[1], sys.argv[1:]), ["10.0.0.0/24", "203.0.113.0/24"]))
"""
IN_BACKGROUND = "setsid sleep 1000 & readlink /proc/self/ns/net; echo in > /dev/shm/here; "


@pytest.fixture
def marker() -> Iterator[str]:
    """A text by which every process of a world is recognised; at the end of the test there are none."""
    text = f"lbclient-test-{uuid.uuid4()}"
    yield text
    assert processes_with(text) == []


@pytest.fixture
def opener(open_lab: Lab, unprivileged: Sequence[str]) -> list[str]:
    """Return the beginning of a command line that runs the rest in a network namespace of its own."""
    return [*unprivileged, sys.executable, "-c", RUN]


def start(command: Sequence[str], marker: str) -> tuple[subprocess.Popen[str], str]:
    """A world's opener and the first line that was said in it."""
    environment = {**os.environ, "MARKER": marker}
    world = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert world.stdout is not None
    with world.stdout as said:
        return world, said.readline().strip()


@pytest.mark.parametrize(("script", "status"), [("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_the_exit_status_is_the_commands(opener: list[str], script: str, status: int) -> None:
    assert subprocess.run([*opener, "sh", "-c", script]).returncode == status


def test_output_ends_when_the_command_does(opener: list[str]) -> None:
    done = subprocess.run(
        [*opener, "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo said"], capture_output=True, timeout=10
    )
    assert done.stdout == b"said\n"


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)]
)
def test_nothing_is_left_after_a_signal(opener: list[str], marker: str, number: signal.Signals, status: int) -> None:
    before = (sorted(os.listdir("/dev/shm")), Path("/proc/self/mountinfo").read_text())
    world, network = start([*opener, "sh", "-c", IN_BACKGROUND + "exec sleep 1000"], marker)
    wait_until(lambda: len(processes_with(marker)) >= 3)
    world.send_signal(number)
    assert world.wait(10) == status
    wait_until(lambda: not processes_with(marker))
    assert (sorted(os.listdir("/dev/shm")), Path("/proc/self/mountinfo").read_text()) == before
    assert network not in set(namespaces())


def namespaces() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            yield os.readlink(path)
        except OSError:
            continue


def test_a_command_that_ignores_sigterm_has_a_few_seconds(opener: list[str], marker: str) -> None:
    world, _ = start([*opener, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"], marker)
    world.terminate()
    assert world.wait(15) == 137


def test_all_addresses_of_the_subnets_and_low_ports_can_be_used(opener: list[str]) -> None:
    listen = "import socket; [socket.create_server((a, 80)) for a in ('10.0.0.4', '10.0.0.250', '203.0.113.9')]"
    assert subprocess.run([*opener, sys.executable, "-c", listen]).returncode == 0


def test_etc_hosts_is_a_copy_to_write_to(opener: list[str]) -> None:
    script = "echo 10.0.0.9 shop.example.com >> /etc/hosts && getent hosts shop.example.com"
    done = subprocess.run([*opener, "sh", "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["10.0.0.9", "shop.example.com"]
    assert "shop.example.com" not in Path("/etc/hosts").read_text()


def test_only_the_worlds_processes_are_seen(opener: list[str]) -> None:
    done = subprocess.run([*opener, "sh", "-c", "ls -d /proc/[0-9]* | wc -l"], capture_output=True, text=True)
    assert int(done.stdout) <= 5


class Terminal:
    """A terminal with a shell in it that has job control."""

    def __init__(self) -> None:
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="$ ", TERM="dumb")
            os.execvp("bash", ["bash", "--norc", "-i"])
        self.seen = ""

    def type(self, text: str, until: str) -> None:
        """Types, and waits for what has to appear after that."""
        self.seen = ""
        os.write(self.descriptor, text.encode())
        try:
            wait_until(lambda: until in self._read(), 15)
        except AssertionError:
            raise AssertionError(f"no {until!r} in {self.seen!r}") from None

    def _read(self) -> str:
        while select.select([self.descriptor], [], [], 0.05)[0]:
            self.seen += os.read(self.descriptor, 4096).decode().replace("\r", "")
        return self.seen

    def close(self) -> None:
        os.close(self.descriptor)
        os.waitpid(self.pid, 0)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


def test_a_shell_inside_has_job_control(terminal: Terminal, opener: list[str], tmp_path: Path) -> None:
    terminal.type(f"{_script(opener, tmp_path)} bash --norc -i\n", until="$ ")
    terminal.type("echo in $((40 + 2))\n", until="in 42\n")
    terminal.type("sleep 1000\n", until="sleep 1000\n")
    terminal.type("\x03", until="$ ")
    terminal.type("echo status $?\n", until="status 130\n")
    terminal.type("sleep 1000\n", until="sleep 1000\n")
    terminal.type("\x1a", until="Stopped")
    terminal.type("fg\n", until="fg\nsleep 1000\n")
    terminal.type("\x03", until="$ ")
    terminal.type("exit 5\n", until="exit\n$ ")
    terminal.type("echo ended $?\n", until="ended 5\n")


def test_a_command_can_be_stopped_and_continued(terminal: Terminal, opener: list[str], tmp_path: Path) -> None:
    terminal.type(f"{_script(opener, tmp_path)} sh -c 'echo ready; exec cat'\n", until="ready\n")
    terminal.type("\x1a", until="Stopped")
    terminal.type("fg\n", until="open")
    terminal.type("hello\n", until="hello\nhello\n")
    terminal.type("\x04", until="$ ")
    terminal.type("echo ended $?\n", until="ended 0\n")


def _script(opener: list[str], directory: Path) -> str:
    """The opener as one short word, for a terminal."""
    program = directory / "program.py"
    program.write_text(RUN)
    path = directory / "open"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n')
    path.chmod(0o755)
    return str(path)
