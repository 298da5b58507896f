"""The HAProxy processes of a directory, found through /proc and ended by signals: they are not child processes."""

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

from . import unprivileged

PIDFILE = "haproxy.pid"
TERM_SECONDS = 3.0
KILL_SECONDS = 3.0
POLL = 0.005
LONGEST_COMMAND = 65536
DIRECTORY_SECONDS = 5.0  # PIDs are not reused as fast as that
MOST_DIRECTORIES = 100_000

SAID_USER = re.compile(rb"^Uid:\t\d+\t(\d+)", re.MULTILINE)
SAID_GROUP = re.compile(rb"^Gid:\t\d+\t(\d+)", re.MULTILINE)

_directories: dict[int, tuple[float, bytes]] = {}  # {PID: (when the entry expires, the directory)}


def wait_until(condition: Callable[[], bool], seconds: float, poll: float = POLL) -> bool:
    """Wait for a condition; return whether it became true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(poll)
    return True


def run(command: Sequence[str], seconds: float, **options: Any) -> int:
    """Run a command and return its exit status as soon as it exits. Raises TimeoutExpired.

    subprocess.run with a timeout polls instead, which can take up to twice as long as the command does.
    """
    with subprocess.Popen(command, **options) as process:
        try:
            return process.wait(0 if _is_awaited(process.pid, seconds) else seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _is_awaited(pid: int, seconds: float) -> bool:
    """Wait until a process has ended, at most that many seconds; return False at once if pidfds are not supported."""
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
    """Return whether that process is an HAProxy that was started in the directory and is running."""
    wanted = os.fsencode(directory)
    return _directory_of(command_line(pid)) == wanted and is_of_our_user(pid, wanted) and not is_zombie(pid)


def is_of_our_user(pid: int, directory: Path | bytes) -> bool:
    """Return whether the process runs as the user of this one, or in the group that the directory is open to.

    Other users may run processes with the same command line.
    """
    said = _read(f"/proc/{pid}/status")
    user, group = SAID_USER.search(said), SAID_GROUP.search(said)
    if user is None or group is None:
        return False
    return int(user[1]) == os.geteuid() or int(group[1]) == unprivileged.group(directory)


def is_zombie(pid: int) -> bool:
    """Return whether the process is a zombie or does not exist."""
    stat = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return not stat or stat[0] == b"Z"


def command_line(pid: int) -> bytes:
    """Return the arguments of a process, each with a NUL at its end; b"" if there is no such process."""
    return _read(f"/proc/{pid}/cmdline")


def _read(path: str) -> bytes:
    """Read a file of /proc; return b"" if there is no such process, or if access to it is denied.

    Raises OSError if the file cannot be read for another reason, such as a lack of descriptors: otherwise a running
    process would seem to have ended.
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
    """Return the directory given with -C in a command line; b"" if there is none."""
    words = command.split(b"\0")
    return next((word for flag, word in pairwise(words) if flag == b"-C"), b"")


def recorded(pidfile: Path) -> int | None:
    """Return the PID in a file; None if the file is missing, cannot be read, or has none: it is empty for a moment."""
    try:
        return int(pidfile.read_text())
    except (OSError, ValueError):
        return None


def master(directory: Path) -> int | None:
    """Return the PID of the master; None if the pidfile is missing or no process of the directory is running."""
    try:
        pid = int((directory / PIDFILE).read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        pid = 0  # HAProxy rewrites the file at each reload, and it is empty for a moment
    return pid if pid and is_ours(pid, directory) else _oldest(family(directory))


def _oldest(pids: list[int]) -> int | None:
    """Return the PID whose parent is not among them: the master's, or None if the list is empty.

    A master that re-executes itself has no command line for a moment. It is then found as the parent of its worker.
    """
    found = next((pid for pid in pids if _parent(pid) not in pids), None)
    parent = _parent(found) if found else None
    is_changing = parent is not None and parent > 1 and not command_line(parent) and not is_zombie(parent)
    return parent if is_changing else found


def _parent(pid: int) -> int | None:
    stat = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(stat[1]) if len(stat) > 1 else None


def family(directory: Path) -> list[int]:
    """Return the PIDs of all processes of the directory: master, worker, old workers, and any without a master."""
    wanted = os.fsencode(directory)
    now = time.monotonic()
    return [pid for pid in _pids() if _known_directory(pid, now) == wanted and is_ours(pid, directory)]


def below(directory: Path) -> list[int]:
    """Return the PIDs of the processes of all directories below this one."""
    parent = os.fsencode(directory) + b"/"
    now = time.monotonic()
    found = ((pid, _known_directory(pid, now)) for pid in _pids())
    return [pid for pid, place in found if place.startswith(parent) and is_of_our_user(pid, place)]


def forget_ended(directories: Iterable[Path]) -> int:
    """Delete the pidfiles of directories without processes; return how many were deleted.

    This saves a search of /proc for each of these directories.
    """
    in_use = {found for pid in _pids() if (found := _directory_of(command_line(pid))) and is_of_our_user(pid, found)}
    pidfiles = [each / PIDFILE for each in directories if os.fsencode(each) not in in_use and (each / PIDFILE).exists()]
    ended = [each for each in pidfiles if not _names_one_that_is_changing(each)]
    for each in ended:
        each.unlink(missing_ok=True)
    return len(ended)


def _names_one_that_is_changing(pidfile: Path) -> bool:
    """Return whether the pidfile names a master that is re-executing itself: it has no command line for a moment."""
    pid = recorded(pidfile)
    return pid is not None and not command_line(pid) and not is_zombie(pid)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _known_directory(pid: int, now: float) -> bytes:
    """Return the directory of a process, cached: reading the command lines of a thousand processes takes long.

    A process that has not called exec yet is not cached: its command line is empty or still that of this process.
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
    """End every process of the directory, with SIGKILL if it ignores SIGTERM."""
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


def retire(directory: Path) -> None:
    """Let the processes of the directory end with their last connections: they accept no new ones."""
    first = master(directory)
    if first:
        _signal((first,), signal.SIGUSR1)


def kill(directory: Path) -> int:
    """Kill every process of the directory without a warning, like a crash; return how many there were."""
    found = family(directory)
    _signal(found, signal.SIGKILL)
    return len(found)


def kill_these(pids: Iterable[int], directory: Path) -> None:
    """Kill those of the processes that still belong to the directory; return when they have ended."""
    left = [pid for pid in pids if is_ours(pid, directory)]
    _signal(left, signal.SIGKILL)
    wait_until(lambda: all(_has_ended(pid, directory) for pid in left), KILL_SECONDS)


def _has_ended(pid: int, directory: Path) -> bool:
    """Return whether a process has ended, or its PID belongs to another program.

    An empty command line is no sign of that: a process that is ending has none while its sockets are still open, and
    neither has one that is re-executing itself.
    """
    command = command_line(pid)
    return is_zombie(pid) or (command != b"" and _directory_of(command) != os.fsencode(directory))


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
