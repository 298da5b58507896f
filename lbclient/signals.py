"""A flag that signal handlers may raise."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time

ENDING = (signal.SIGTERM, signal.SIGINT)


class Flag:
    """A flag for which one thread waits, and which signal handlers and other threads raise.

    threading.Event deadlocks here: a handler runs in the main thread, and `Event.set` in it waits for a lock that the
    main thread holds while it begins to wait. This class writes a byte to a pipe instead.

    Python runs a handler some time after the signal has come, and not at all while select() waits: one that comes just
    before would be noticed after the wait. The interpreter therefore writes to the pipe, too, as soon as the signal
    comes. It does so for one flag of a process, the last that was created for signals.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        """Have the flag raised by these signals, from now on. With signals, only in the main thread."""
        self._is_raised = False
        self._numbers: list[int] = []
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        if numbers:
            signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, self._handle)

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
        self._drain()

    def fileno(self) -> int:
        """Return a descriptor that is readable while the flag is raised."""
        return self._reader

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the flag is raised, or for a time; return whether it is raised."""
        until = None if seconds is None else time.monotonic() + seconds
        while not self._is_raised:
            remaining = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self._reader], [], [], remaining)[0]:
                break
            if not self._is_raised:
                self._drain()  # another signal of this process
        return self._is_raised

    def take(self) -> frozenset[int]:
        """Wait until the flag is raised, lower it, and return the signals that have come since the last call."""
        self.wait()
        self.clear()
        numbers, self._numbers = self._numbers, []
        return frozenset(numbers)

    def _handle(self, number: int, frame: object) -> None:
        self._numbers.append(number)
        self.set()

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass
