"""The state directory: accessible to this user only, and used by one server at a time."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .. import files
from ..strings import is_uuid

MARK = "database-id"  # the file with the ID of the database that belongs to the directory
LOCK = "lock"
INSTANCES = "haproxy"  # the directory with a subdirectory for each load balancer
PATIENCE = 10.0  # seconds in which a process that only looks at the lock lets go of it
POLL = 0.005  # seconds


class StateError(Exception):
    """The state directory cannot be used; the message says why."""


@contextmanager
def held(directory: Path) -> Iterator[Path]:
    """Create the directory if necessary and lock it until the end of the block. Raises StateError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(directory, error) from None
    with open(descriptor, "r+") as lock:
        if not _lock(lock):
            pid = (lock.read().split() or ["unknown"])[0]
            raise StateError(f"Another lbclient server (process {pid}) uses the state directory {directory}.")
        lock.truncate()
        lock.write(f"{os.getpid()} {start_of(os.getpid())}\n")
        lock.flush()
        yield directory


def check(directory: Path) -> None:
    """Check that `held` can create the directory, or files in it, and leave nothing there. Raises StateError."""
    existing = next(each for each in (directory, *directory.parents) if each.exists())
    try:
        tempfile.TemporaryDirectory(dir=existing).cleanup()
        if (directory / LOCK).exists():
            (directory / LOCK).open("r+").close()
    except OSError as error:
        raise _unusable(directory, error) from None


def _unusable(directory: Path, error: OSError) -> StateError:
    return StateError(f"The state directory {directory} cannot be used: {error.strerror}.")


def holder(directory: Path) -> str | None:
    """Return the process ID and the start of the process that holds a directory, as `held` wrote them; None if none.

    The lock is released when its process ends, for whatever reason. Looking takes a shared lock for a moment.
    """
    try:
        with open(directory / LOCK) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read().strip()
    except OSError:
        return None
    return None


def start_of(pid: int) -> int:
    """Return when a process started, in clock ticks since the machine did; 0 if there is none or it cannot be seen."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return 0


def _lock(lock: IO[str]) -> bool:
    """Lock the file and return True; return False if another server has locked it.

    Processes that look for a server share the lock for a moment: those are waited for.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            pass
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # not shared: it is a server's
        fcntl.flock(lock, fcntl.LOCK_UN)
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)


def claim(directory: Path, database_id: str, count: int, *, is_adopting: bool) -> None:
    """Check that the database, with `count` load balancers, belongs to the directory. Raises StateError.

    If neither has a load balancer yet, or with is_adopting, the directory is marked as belonging to the database.
    """
    check_claim(directory, database_id, count, is_adopting=is_adopting)
    if marked(directory) != database_id:
        mark(directory, database_id)


def check_claim(directory: Path, database_id: str, count: int, *, is_adopting: bool) -> None:
    """Check that `claim` may mark the directory. Raises StateError.

    The server stops load balancers that run and are not in the database: with the wrong database, all traffic would
    end.
    """
    if marked(directory) == database_id:
        return
    running = _instances(directory)
    if not is_adopting and (count or running):
        raise StateError(
            f"The database does not belong to the state directory {directory}: it has {count} load balancers, and "
            f"{running} were started from the directory. Name the right database; or start once with --adopt to use "
            "this one from now on, which ends those that are not in it."
        )


def marked(directory: Path) -> str | None:
    """Return the ID of the database that belongs to a directory; None if it is not marked. Raises OSError."""
    path = directory / MARK
    return path.read_text().strip() if path.exists() else None


def check_keys(directory: Path, names: Iterable[str]) -> None:
    """Check that the keys of another server are in these subdirectories. Raises StateError."""
    for name in names:
        if not (directory / name).is_dir() or not any((directory / name).iterdir()):
            raise StateError(
                f"There are no keys in {directory / name}: --keys names the state directory of the server that carries "
                "the traffic, or a copy of its keys."
            )


def mark(directory: Path, database_id: str) -> None:
    """Mark the directory as belonging to this database."""
    files.replace(directory / MARK, f"{database_id}\n")


def _instances(directory: Path) -> int:
    instances = directory / INSTANCES
    return sum(is_uuid(each.name) for each in instances.iterdir()) if instances.exists() else 0
