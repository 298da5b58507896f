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

# A signal comes once, within microseconds of the begin of a wait: before, at, or after it.
AT_THE_BEGIN = """
import random
import signal
from lbclient.signals import Flag

flag = Flag(signal.SIGALRM)
for _ in range(20_000):
    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.000001, 0.00006))
    assert flag.take() == {signal.SIGALRM}
print("over", flush=True)
"""


@pytest.fixture
def flag() -> Iterator[Flag]:
    before = signal.getsignal(signal.SIGUSR1)
    yield Flag(signal.SIGUSR1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("program", [INTERRUPTED, AT_THE_BEGIN], ids=["interrupted", "at the begin"])
def test_a_signal_at_any_moment_of_a_wait_harms_nothing(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
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


def test_signals_are_told_apart(flag: Flag) -> None:
    signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR1)
    assert flag.take() == {signal.SIGUSR1}
    flag.set()
    assert flag.take() == set()
    assert not flag.is_set()


def test_a_signal_of_something_else_ends_no_wait(flag: Flag) -> None:
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        threading.Timer(0.05, signal.raise_signal, [signal.SIGUSR2]).start()
        threading.Timer(0.2, flag.set).start()
        assert flag.wait(20)
        flag.clear()
        signal.raise_signal(signal.SIGUSR2)
        assert not flag.wait(0.1)
    finally:
        signal.signal(signal.SIGUSR2, before)
