"""A command on a terminal of its own, whose screen can be read and whose keys can be pressed."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import pyte


def _take_terminal() -> None:
    """Make it the controlling terminal, so that Ctrl-C and changes of the size are told."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A pseudo-terminal with a command in it."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80, lines: int = 24
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._is_closed = False
        self._master, slave = pty.openpty()
        self._size(slave, columns, lines)
        kept = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            command,
            env={"LANG": "C.UTF-8", **kept, "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self._master)

    @property
    def text(self) -> str:
        """Return the screen's text without trailing blanks."""
        self.read()
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        self.read()
        self.screen.resize(lines, columns)
        self._size(self._master, columns, lines)

    def wait_for(self, condition: str | Callable[[str], object], seconds: float = 10.0) -> str:
        """The screen as soon as it shows that; fails when it has not in time."""
        deadline = time.monotonic() + seconds
        while True:
            text = self.text
            if condition in text if isinstance(condition, str) else condition(text):
                return text
            assert time.monotonic() < deadline, f"waited in vain before:\n{text}"
            assert not self._is_closed, f"the command has ended:\n{text}"
            self.read(0.05)

    def finish(self, seconds: float = 15.0) -> int:
        """The exit status of the command."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end:\n{self.text}"
            self.read(0.05)
        self.read()
        return self.process.returncode

    def read(self, seconds: float = 0.0) -> None:
        """Take in what is there, and what comes in that time."""
        while not self._is_closed and self._is_readable(seconds):
            try:
                piece = os.read(self._master, 65536)
            except OSError:  # the other end is closed
                piece = b""
            if not piece:
                self._is_closed = True
                return
            self.raw += piece
            self._stream.feed(piece)
            seconds = 0.0

    def _is_readable(self, seconds: float = 0.0) -> bool:
        return bool(select.select([self._master], [], [], seconds)[0])

    @staticmethod
    def _size(descriptor: int, columns: int, lines: int) -> None:
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
