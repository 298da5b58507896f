"""A flag that signal handlers may raise."""

from __future__ import annotations

import contextlib
import os
import select
import signal

ENDING = (signal.SIGTERM, signal.SIGINT)


class Flag:
    """A flag for which one thread waits, and which signal handlers and other threads raise.

    threading.Event deadlocks here: a handler runs in the main thread, and `Event.set` in it waits for a lock that the
    main thread holds while it begins to wait. This class writes a byte to a pipe instead.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        """Have the flag raised by these signals, from now on."""
        self._is_raised = False
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for number in numbers:
            signal.signal(number, lambda *_: self.set())

    def set(self) -> None:
        """Raise the flag."""
        self._is_raised = True
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes the waiting thread, too
            os.write(self._writer, b"\0")

    def is_set(self) -> bool:
        """Return whether the flag has been raised since it was last cleared."""
        return self._is_raised

    def clear(self) -> None:
        """Lower the flag."""
        self._is_raised = False  # first: a signal that comes now is not lost
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass

    def fileno(self) -> int:
        """Return a descriptor that is readable while the flag is raised."""
        return self._reader

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the flag is raised, or for a time; return whether it is raised."""
        if not self._is_raised:
            select.select([self._reader], [], [], seconds)
        return self._is_raised
