"""The user that HAProxy's workers and relays become if the server runs as root, so that clients never talk to root."""

from __future__ import annotations

import os
import pwd
import re
import stat
from pathlib import Path
from typing import NamedTuple

USUAL = "haproxy"
UNNAMED = 65521  # of no user: distributions and systemd leave 65520 to 65533 unused
OPEN = 0o710  # a directory whose sockets its group reaches by name
CLOSED = 0o700
SOCKET = 0o660
RIGHTS = 1 << 0 | 1 << 5 | 1 << 6 | 1 << 7  # CAP_CHOWN, CAP_KILL, CAP_SETGID, CAP_SETUID
EFFECTIVE = re.compile(r"^CapEff:\s*([0-9a-f]+)$", re.MULTILINE)


class NoSuchUser(Exception):
    """HAProxy cannot run as that user; the message says why."""


class User(NamedTuple):
    """A user and its group, by number."""

    uid: int
    gid: int


def user(wanted: str | None) -> User | None:
    """Return the user of this name or number; by default that named haproxy, else one without a name.

    Return None if processes keep the user of this one: it is not root, it may not give files and processes to another
    user, or the user is not mapped in its user namespace. Raises NoSuchUser if `wanted` is unknown or root.
    """
    found = _named(wanted) if wanted else _usual()
    return found if os.geteuid() == 0 and _may_change() and _is_mapped(found) else None


def is_only_user() -> bool:
    """Return whether one user is mapped in this user namespace: root has only that user's permissions then."""
    return sum(size for _, size in _mapped("uid")) == 1


def open_to(directory: Path, wanted: User | None) -> None:
    """Let the group of this user, and no other, reach sockets in the directory by name; files stay unreadable."""
    os.chown(directory, -1, wanted.gid if wanted else os.getegid())
    directory.chmod(OPEN if wanted else CLOSED)


def is_open_to(directory: Path, wanted: User | None) -> bool:
    """Return whether the directory is open to the group of this user alone; to no group if it is None."""
    found = directory.stat()
    if wanted is None:
        return found.st_mode & 0o777 == CLOSED
    return (found.st_mode & 0o777, found.st_gid) == (OPEN, wanted.gid)


def group(directory: Path | bytes) -> int | None:
    """Return the group that a directory is open to; None if it is open to none, or does not exist."""
    try:
        found = os.stat(directory)
    except OSError:
        return None
    return found.st_gid if found.st_mode & stat.S_IXGRP else None


def share(path: Path, directory: Path) -> None:
    """Let the group that the directory is open to, if any, write to a socket in it."""
    gid = group(directory)
    found = path.stat()
    if gid is not None and (found.st_mode & 0o777, found.st_gid) != (SOCKET, gid):
        os.chown(path, -1, gid)
        path.chmod(SOCKET)


def _usual() -> User:
    try:
        return _named(USUAL)
    except NoSuchUser:
        return User(UNNAMED, UNNAMED)


def _named(name: str) -> User:
    try:
        found = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
        chosen = User(found.pw_uid, found.pw_gid)
    except (KeyError, OverflowError):
        if not name.isdecimal() or int(name) >= 1 << 32:
            raise NoSuchUser(f"there is no user {name}") from None
        chosen = User(int(name), int(name))
    if chosen.uid == 0 or chosen.gid == 0:
        raise NoSuchUser(f"{name} is root, or in its group; HAProxy must run as an ordinary user")
    return chosen


def _may_change() -> bool:
    """Return whether this process may run others as another user, signal them, and give files to its group."""
    found = EFFECTIVE.search(Path("/proc/self/status").read_text())
    return found is not None and int(found[1], 16) & RIGHTS == RIGHTS


def _is_mapped(wanted: User) -> bool:
    numbers = {"uid": wanted.uid, "gid": wanted.gid}
    return all(any(first <= number < first + size for first, size in _mapped(kind)) for kind, number in numbers.items())


def _mapped(kind: str) -> list[tuple[int, int]]:
    """Return the mapped ranges of this user namespace, as (first number, count)."""
    lines = Path(f"/proc/self/{kind}_map").read_text().splitlines()
    return [(int(first), int(size)) for first, _, size in map(str.split, lines)]
