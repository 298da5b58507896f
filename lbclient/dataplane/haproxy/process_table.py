"""The HAProxy processes of a directory, found and ended through the kernel: they need not be our children."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

PIDFILE = "haproxy.pid"
TERM_SECONDS = 3.0
KILL_SECONDS = 3.0
POLL = 0.005
LONGEST_COMMAND = 65536
DIRECTORY_SECONDS = 5.0  # no number of a process comes around again so fast
MOST_DIRECTORIES = 100_000

OUR_USERS = frozenset((os.geteuid(),))
SAID_USER = re.compile(rb"^Uid:\t\d+\t(\d+)", re.MULTILINE)

_directories: dict[int, tuple[float, bytes]] = {}  # {pid: (until when that is believed, its directory)}


def wait_until(condition: Callable[[], bool], seconds: float, poll: float = POLL) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(poll)
    return True


def run(command: Sequence[str], seconds: float, **options: Any) -> int:
    """The exit status of a command, told by the kernel in the moment of its end. Raises TimeoutExpired.

    subprocess.run with a timeout looks now and then instead, for up to twice as long as the command takes.
    """
    with subprocess.Popen(command, **options) as process:
        try:
            return process.wait(0 if _is_awaited(process.pid, seconds) else seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _is_awaited(pid: int, seconds: float) -> bool:
    """Waits for the end of a process, where the kernel can tell."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        end = select.poll()
        end.register(descriptor, select.POLLIN)
        end.poll(seconds * 1000)
    finally:
        os.close(descriptor)
    return True


def is_ours(pid: int, directory: Path) -> bool:
    """Whether that process is an HAProxy that was started in the directory, and runs."""
    return _directory_of(command_line(pid)) == os.fsencode(directory) and is_of_our_user(pid) and not is_zombie(pid)


def is_of_our_user(pid: int) -> bool:
    """Whether the process runs as a user of ours: anybody can give a process the words of an HAProxy of ours."""
    said = SAID_USER.search(_read(f"/proc/{pid}/status"))
    return said is not None and int(said[1]) in OUR_USERS


def is_zombie(pid: int) -> bool:
    """Whether the process has ended."""
    stat = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return not stat or stat[0] == b"Z"


def command_line(pid: int) -> bytes:
    """Its words, each with a NUL behind it; nothing where there is no such process."""
    return _read(f"/proc/{pid}/cmdline")


def _read(path: str) -> bytes:
    """What the kernel tells of a process; nothing where there is no such process, or where it is not for us.

    Raises OSError where the kernel cannot be asked, as without a free descriptor: a process that runs would seem gone.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, PermissionError):
        return b""
    try:
        return os.read(descriptor, LONGEST_COMMAND)
    except ProcessLookupError:
        return b""
    finally:
        os.close(descriptor)


def _directory_of(command: bytes) -> bytes:
    """The directory that a process was started in with -C; nothing where it was not."""
    words = command.split(b"\0")
    return next((word for flag, word in pairwise(words) if flag == b"-C"), b"")


def master(directory: Path) -> int | None:
    """The master process; None where the pidfile is missing, or no process of ours is alive."""
    try:
        pid = int((directory / PIDFILE).read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        pid = 0  # HAProxy writes it anew at each reload, and it is empty for a moment
    return pid if pid and is_ours(pid, directory) else _oldest(family(directory))


def _oldest(pids: list[int]) -> int | None:
    """The one that is nobody's child among them.

    While a master executes itself anew, it has no words for a moment, and is known as its worker's parent alone.
    """
    found = next((pid for pid in pids if _parent(pid) not in pids), None)
    parent = _parent(found) if found else None
    is_changing = parent is not None and parent > 1 and not command_line(parent) and not is_zombie(parent)
    return parent if is_changing else found


def _parent(pid: int) -> int | None:
    stat = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(stat[1]) if len(stat) > 1 else None


def family(directory: Path) -> list[int]:
    """Every process of the directory: master, worker, old workers, and any that were left behind."""
    wanted = os.fsencode(directory)
    now = time.monotonic()
    return [pid for pid in _pids() if _known_directory(pid, now) == wanted and is_ours(pid, directory)]


def forget_ended(directories: Iterable[Path]) -> int:
    """Deletes the pidfiles where nothing runs any more, so that nobody looks for each one's processes; how many."""
    in_use = {found for pid in _pids() if (found := _directory_of(command_line(pid))) and is_of_our_user(pid)}
    pidfiles = [each / PIDFILE for each in directories if os.fsencode(each) not in in_use and (each / PIDFILE).exists()]
    ended = [each for each in pidfiles if not _names_one_that_is_changing(each)]
    for each in ended:
        each.unlink(missing_ok=True)
    return len(ended)


def _names_one_that_is_changing(pidfile: Path) -> bool:
    """A master that executes itself anew has no words for a moment."""
    try:
        pid = int(pidfile.read_text())
    except (FileNotFoundError, ValueError):
        return False
    return not command_line(pid) and not is_zombie(pid)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _known_directory(pid: int, now: float) -> bytes:
    """Its home, as it was a moment ago where that is known: with a thousand HAProxy processes, reading takes long.

    A process that has not begun yet to be what it will be is not remembered: its words are still its parent's, or none.
    """
    until, place = _directories.get(pid, (0.0, b""))
    if until > now:
        return place
    command = command_line(pid)
    place = _directory_of(command)
    if command and command != command_line(os.getpid()):
        if len(_directories) > MOST_DIRECTORIES:
            _directories.clear()
        _directories[pid] = (now + DIRECTORY_SECONDS, place)
    return place


def end(directory: Path) -> None:
    """Ends every process of the directory; those that do not listen are killed."""
    wait_until(lambda: not _names_one_that_is_changing(directory / PIDFILE), KILL_SECONDS)
    known = set(family(directory))
    first = master(directory) or _oldest(list(known))
    if first:
        known.add(first)
        _signal((first,), signal.SIGTERM)  # it ends its workers
        wait_until(lambda: _has_ended(first, directory), TERM_SECONDS)
    _signal(family(directory), signal.SIGTERM)
    if not wait_until(lambda: not family(directory), TERM_SECONDS, poll=0.02):
        _signal(family(directory), signal.SIGKILL)
        wait_until(lambda: not family(directory), KILL_SECONDS, poll=0.02)
    wait_until(lambda: all(_has_ended(pid, directory) for pid in known), KILL_SECONDS)


def kill(directory: Path) -> int:
    """Kill every process of the directory without a warning, as a crash would; how many there were."""
    found = family(directory)
    _signal(found, signal.SIGKILL)
    return len(found)


def kill_these(pids: Iterable[int], directory: Path) -> None:
    """Kills those of the processes that are still the directory's; returns when they have ended."""
    left = [pid for pid in pids if is_ours(pid, directory)]
    _signal(left, signal.SIGKILL)
    wait_until(lambda: all(_has_ended(pid, directory) for pid in left), KILL_SECONDS)


def _has_ended(pid: int, directory: Path) -> bool:
    """Whether nothing of it is left.

    A process that ends has no words any more while its sockets are open still, and one that executes itself anew has
    none yet.
    """
    command = command_line(pid)
    return is_zombie(pid) or (command != b"" and _directory_of(command) != os.fsencode(directory))


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
