"""Terminal output: colours of states, wrapping and cutting of lines."""

from __future__ import annotations

import os
import shutil
import textwrap
from typing import Any

from .cells import cell, width_of

RESET = "\x1b[0m"
PAINTS = {"green": "\x1b[32m", "yellow": "\x1b[33m", "red": "\x1b[31;1m", "grey": "\x1b[90m", "bold": "\x1b[1m"}
COLOURS = {
    "ACTIVE": "green",
    "ONLINE": "green",
    "DEGRADED": "yellow",
    "DRAINING": "yellow",
    "ERROR": "red",
    "OFFLINE": "grey",
    "NO_MONITOR": "grey",
    "DELETED": "grey",
}
AUTO, ALWAYS, NEVER = "auto", "always", "never"
LEAST_WIDTH = 40


def colour_of(state: str) -> str:
    """Return the colour of a state; transitional states are yellow."""
    return COLOURS.get(state, "yellow" if state.startswith("PENDING_") else "")


def is_coloured(stream: Any, wish: str = AUTO) -> bool:
    """Return whether to write colours: by default on a terminal, unless NO_COLOR is set."""
    if wish != AUTO:
        return wish == ALWAYS
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_unicode(stream: Any) -> bool:
    """Return whether the stream's encoding has box-drawing characters."""
    try:
        "└─…".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def columns() -> int:
    return max(shutil.get_terminal_size((80, 24)).columns, LEAST_WIDTH)


def wrapped(line: str, stream: Any) -> list[str]:
    """Wrap a line to the width of a terminal; for a pipe, return it unchanged."""
    if not stream.isatty() or width_of(line) <= columns():
        return [line]
    return textwrap.wrap(line, columns(), subsequent_indent=" " * 8, break_on_hyphens=False)


def paint(text: str, colour: str, is_on: bool) -> str:
    return f"{PAINTS[colour]}{text}{RESET}" if is_on and colour else text


def clean(text: str) -> str:
    """Return a text without characters that control a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def fit(text: str, room: int) -> str:
    """Return a text in exactly this many columns, cut with an ellipsis or padded with blanks."""
    return f"{cut(text, room)}{' ' * max(0, room - width_of(cut(text, room)))}"


def cut(text: str, room: int) -> str:
    if width_of(text) <= room:
        return text
    kept = ""
    for char in text:
        if width_of(kept) + cell(char) > room - 1:
            break
        kept += char
    return f"{kept}…" if room > 0 else ""
