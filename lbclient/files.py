"""Atomic replacement of files: a reader never sees a half-written one, whenever the writer is killed."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ASIDE = ".new"  # ends the name of a file that is being written
WRITER = re.compile(rf"\..*\.([0-9]+)-[0-9]+{re.escape(ASIDE)}")  # its name, with the ID of the process

AnyPath = str | os.PathLike[str]


def replace(path: AnyPath, content: str | bytes, *, is_durable: bool = True, group: int | None = None) -> None:
    """Write a file that only this user can read, and the group of that ID if one is given. Raises OSError.

    The old file stays until the new one is complete; if it is durable, also on a disk that loses its power.
    """
    with _aside(path) as aside:
        _write(aside, content, is_durable, group)
        os.replace(aside, path)


def create(path: AnyPath, content: bytes) -> None:
    """Write a file that only this user can read, unless it exists: the first writer wins. Raises OSError."""
    with _aside(path) as aside:
        _write(aside, content)
        with suppress(FileExistsError):
            os.link(aside, path)


def link(source: AnyPath, path: AnyPath) -> None:
    """Make a path another name of the source file, in place of the file that it was. Raises OSError."""
    with _aside(path) as aside:
        os.link(source, aside)
        os.replace(aside, path)


def delete_abandoned(directory: AnyPath) -> None:
    """Delete what processes that were killed have left of their writes in a directory, if it exists. Raises OSError."""
    with suppress(FileNotFoundError):
        for name in os.listdir(directory):
            writer = WRITER.fullmatch(name)
            if writer and writer[1] != str(os.getpid()):
                _delete(os.path.join(directory, name))


@contextmanager
def _aside(path: AnyPath) -> Iterator[str]:
    """Yield the name under which this thread writes a file; nothing has it before, nor at the end of the block."""
    folder, name = os.path.split(path)
    aside = os.path.join(folder, f".{name}.{os.getpid()}-{threading.get_native_id()}{ASIDE}")
    _delete(aside)  # of an earlier process with this ID
    try:
        yield aside
    finally:
        _delete(aside)


def _write(path: str, content: str | bytes, is_durable: bool = False, group: int | None = None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
        if group is not None:
            os.fchown(descriptor, -1, group)
            os.fchmod(descriptor, 0o640)
        if is_durable:
            file.flush()
            os.fsync(descriptor)


def _delete(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
