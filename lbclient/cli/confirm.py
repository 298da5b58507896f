"""Confirmation on the terminal before something is removed."""

from __future__ import annotations

import sys

DECLINED = 1  # exit status


def asked(question: str) -> bool | None:
    """Return the answer of the user at the terminal; None if stdin is not a terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    sys.stderr.write("Nothing was changed.\n")
    return False
