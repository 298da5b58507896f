"""A lock for which senders take turns, so that one sender's many transactions delay those of others by one at most."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class _Thread(threading.local):
    sender = ""


_thread = _Thread()


@contextmanager
def working_for(sender: str) -> Iterator[None]:
    """Count what this thread does inside the block as work for a sender."""
    before = _thread.sender
    _thread.sender = sender
    try:
        yield
    finally:
        _thread.sender = before


class FairLock:
    """A lock that is passed on to those who wait for it: to one of each sender in turn, and in order to a sender's own.

    Threads that work for no sender, such as those of the data plane, count as one sender together.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_held = False
        self._waiting: dict[str, deque[threading.Lock]] = {}  # by sender; the next one to take a turn first

    def acquire(self, seconds: float) -> bool:
        """Wait for the lock and return whether this thread holds it, which is false after so many seconds."""
        sender = _thread.sender
        with self._guard:
            if not self._is_held:
                self._is_held = True
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.setdefault(sender, deque()).append(turn)
        if turn.acquire(timeout=seconds):
            return True
        with self._guard:
            return not self._leave(sender, turn)

    def release(self) -> None:
        """Pass the lock on to the next thread, if any waits."""
        with self._guard:
            sender = next(iter(self._waiting), None)
            if sender is None:
                self._is_held = False
                return
            waiting = self._waiting.pop(sender)
            waiting.popleft().release()
            if waiting:
                self._waiting[sender] = waiting  # behind all other senders

    def _leave(self, sender: str, turn: threading.Lock) -> bool:
        """Stop waiting; return False if the lock has been passed on to this thread in the meantime."""
        waiting = self._waiting.get(sender, deque())
        if turn not in waiting:
            return False
        waiting.remove(turn)
        if not waiting:
            del self._waiting[sender]
        return True
