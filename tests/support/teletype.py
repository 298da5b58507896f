"""A pseudo-terminal with a program in it, as the stream of what it writes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Teletype:
    """A program on a terminal of its own, with everything that it has written so far."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        self.process = subprocess.Popen(
            command, env=environment, start_new_session=True, preexec_fn=_take_terminal, **streams
        )
        os.close(slave)
        self._seen = b""

    @property
    def text(self) -> str:
        return self._seen.decode(errors="replace").replace("\r\n", "\n")

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_for(self, text: str, seconds: float = 20.0) -> None:
        """Read until the text stands there."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} does not come: {self.text!r}"
            self.read(0.1)

    def read(self, seconds: float) -> bool:
        """Take what comes within that time; False where the program has gone."""
        if select.select([self._master], [], [], seconds)[0]:
            try:
                found = os.read(self._master, 65536)
            except OSError:
                return False
            self._seen += found
            return bool(found)
        return self.process.poll() is None

    def end(self, seconds: float = 30.0) -> int:
        """Read until the program has ended; its exit status."""
        deadline = time.monotonic() + seconds
        while self.read(0.1):
            assert time.monotonic() < deadline, f"it does not end: {self.text!r}"
        return self.process.wait(10)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(10)
        os.close(self._master)
