"""Exchange of certificates in a running HAProxy without a reload; new connections get the new certificates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..config.render import ADMIN_SOCKET
from ..config.tls import File
from . import runtime

LONGEST = 15000  # bytes of contents in one command; HAProxy's buffer holds 16384
DONE = "Success!"


def exchange(directory: Path, files: Sequence[File], generation: str) -> bool:
    """Give HAProxy the new contents of files; return False if a reload is necessary instead."""
    if any(not each.is_exchangeable or len(each.text.encode()) > LONGEST for each in files):
        return False
    try:
        loaded = _loaded(directory)
        return all(_put(directory, each, loaded) for each in files) and runtime.set_generation(directory, generation)
    except runtime.Unreachable:
        return False


def _put(directory: Path, file: File, loaded: dict[str, str]) -> bool:
    if file.name not in loaded:
        return False
    path = loaded[file.name]
    # An empty line ends the contents.
    runtime.ask(directory, ADMIN_SOCKET, f"set ssl cert {path} <<\n{file.text}")
    if DONE in runtime.ask(directory, ADMIN_SOCKET, f"commit ssl cert {path}"):
        return True
    runtime.ask(directory, ADMIN_SOCKET, f"abort ssl cert {path}")
    return False


def _loaded(directory: Path) -> dict[str, str]:
    """Return {name: path}; the path is the one that HAProxy loaded the file from, perhaps of an older generation.

    Raises Unreachable.
    """
    listed = runtime.ask(directory, ADMIN_SOCKET, "show ssl cert").splitlines()
    return {line.partition("/")[2]: line for line in listed if "/" in line and not line.startswith(("#", "*"))}
