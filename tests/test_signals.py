"""Flags that signal handlers raise."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from lbclient.signals import Flag

# A timer's signal comes at each moment of a wait, several thousand times.
INTERRUPTED = """
import signal
from lbclient.signals import Flag

flag = Flag(signal.SIGALRM)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
for _ in range(100_000):
    flag.wait(0)
    flag.clear()
signal.setitimer(signal.ITIMER_REAL, 0)
print("over", flush=True)
"""


@pytest.fixture
def flag() -> Iterator[Flag]:
    before = signal.getsignal(signal.SIGUSR1)
    yield Flag(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_at_any_moment_of_a_wait_harms_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", "")


def test_a_signal_raises_it_until_it_is_cleared(flag: Flag) -> None:
    assert not flag.wait(0)
    signal.raise_signal(signal.SIGUSR1)
    assert flag.is_set()
    assert flag.wait()
    flag.clear()
    assert not flag.is_set()
    assert not flag.wait(0)
    signal.raise_signal(signal.SIGUSR1)
    assert flag.wait(0)


def test_another_thread_ends_a_wait(flag: Flag) -> None:
    threading.Timer(0.05, flag.set).start()
    assert flag.wait(20)


def test_more_signals_than_a_pipe_holds(flag: Flag) -> None:
    for _ in range(70_000):
        flag.set()
    assert flag.wait()
    flag.clear()
    assert not flag.wait(0)
