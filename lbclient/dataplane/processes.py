"""The HAProxy processes of a directory, found and ended through the kernel: they need not be our children."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

PIDFILE = "haproxy.pid"
TERM_SECONDS = 3.0
KILL_SECONDS = 3.0
POLL = 0.005


def wait_until(condition: Callable[[], bool], seconds: float, poll: float = POLL) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(poll)
    return True


def is_ours(pid: int, directory: Path) -> bool:
    """Whether that process is an HAProxy that was started in the directory, and runs."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        is_zombie = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
    wanted = os.fsencode(directory)
    return not is_zombie and any(pair == (b"-C", wanted) for pair in pairwise(command))


def master(directory: Path) -> int | None:
    """The master process; None where the pidfile is missing, or no process of ours is alive."""
    try:
        pid = int((directory / PIDFILE).read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        pid = 0  # HAProxy writes it anew at each reload, and it is empty for a moment
    return pid if pid and is_ours(pid, directory) else _eldest(family(directory))


def _eldest(pids: list[int]) -> int | None:
    """The one that is nobody's child among them."""
    return next((pid for pid in pids if _parent(pid) not in pids), None)


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def family(directory: Path) -> list[int]:
    """Every process of the directory: master, worker, old workers, and any that were left behind."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and is_ours(int(name), directory)]


def end(directory: Path) -> None:
    """Ends every process of the directory; those that do not listen are killed."""
    first = master(directory)
    if first:
        _signal((first,), signal.SIGTERM)  # it ends its workers
        wait_until(lambda: not is_ours(first, directory), TERM_SECONDS)
    _signal(family(directory), signal.SIGTERM)
    if not wait_until(lambda: not family(directory), TERM_SECONDS, poll=0.02):
        _signal(family(directory), signal.SIGKILL)
        wait_until(lambda: not family(directory), KILL_SECONDS, poll=0.02)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
