"""Progress on a terminal while a command waits; pipes and files get none."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

LINE_START = "\r\x1b[K"  # return to the start of the line and clear it
PATIENCE = 0.5  # seconds before the progress of a list is shown


class Progress:
    """A progress line on stderr that is overwritten, and removed at the end."""

    def __init__(self, app: Any) -> None:
        options = getattr(app, "options", None)
        is_quiet = getattr(options, "verbose_level", 1) == 0 or getattr(options, "debug", False)
        self.is_shown = sys.stderr.isatty() and not is_quiet and os.environ.get("TERM") != "dumb"
        self._line = ""

    def __call__(self, text: str, seconds: float) -> None:
        """Show what the command waits for, and for how many seconds so far."""
        self.show(f"{text}, {seconds:.0f} s")

    def show(self, text: str) -> None:
        if not self.is_shown:
            return
        import shutil  # imported late: most commands end before they show any progress

        width = shutil.get_terminal_size().columns - 1
        line = _cut("".join(char if char.isprintable() else "?" for char in text), width)
        if line != self._line:
            sys.stderr.write(f"{LINE_START}{line}")
            sys.stderr.flush()
            self._line = line

    def clear(self) -> None:
        if self._line:
            sys.stderr.write(LINE_START)
            sys.stderr.flush()
            self._line = ""

    def counted(self, found: Iterable[T], title: str, titles: str) -> Iterator[T]:
        """Yield the same items; show how many have arrived once it takes longer than PATIENCE."""
        start = last = time.monotonic()
        for number, one in enumerate(found, 1):
            now = time.monotonic()
            if now - start > PATIENCE and now - last > PATIENCE / 5:
                last = now
                self.show(f"{number} {title if number == 1 else titles}, {now - start:.0f} s")
            yield one
        self.clear()


def _cut(line: str, width: int) -> str:
    """Return as much of a line as fits into a number of columns; wide characters take two."""
    if line.isascii():
        return line if len(line) <= width else f"{line[: width - 1]}…"
    from .cells import cell  # imported late: few lines need it

    columns = 0
    for place, char in enumerate(line):
        columns += cell(char)
        if columns > width or (columns == width and place < len(line) - 1):
            return f"{line[:place]}…"
    return line
