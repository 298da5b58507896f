"""Standard streams that a parent has closed, and output that cannot be written."""

from __future__ import annotations

import os
import sys

NAMES = ("stdin", "stdout", "stderr")


def open_missing() -> None:
    """Open /dev/null for every standard stream that is closed.

    Otherwise the next file or socket gets its number, and what is meant for the stream is written there.
    """
    for number, name in enumerate(NAMES):
        if not _is_open(number):
            _open_as(number)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="replace", closefd=False))


def discard(number: int) -> None:
    """Send to /dev/null what is still buffered for a stream, as Python would complain of it at its end."""
    _open_as(number)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _open_as(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)
