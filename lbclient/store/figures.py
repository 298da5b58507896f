"""Counters of write transactions, for the server's metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import sqlalchemy as sa

from .fair_lock import FairLock

LOCK_SECONDS = 30.0  # wait for the transactions that are ahead in the queue


class Figures:
    """Counters: the number of transactions that have ended, and the seconds that they waited and wrote."""

    def __init__(self) -> None:
        self.finished = 0
        self.waited = 0.0
        self.writing = 0.0
        self._waiting = 0
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """The number of transactions that wait for their turn now."""
        return self._waiting

    @contextmanager
    def turn(self, lock: FairLock | None) -> Iterator[None]:
        """Hold the lock of the writers, if any, and measure the wait for it and the work.

        Raises sa.exc.TimeoutError after LOCK_SECONDS.
        """
        begun = time.perf_counter()
        self._count(1)
        is_mine = False
        try:
            with _holding(lock) if lock else nullcontext():
                is_mine = True
                self._count(-1)
                started = time.perf_counter()
                try:
                    yield
                finally:
                    self._add(started - begun, time.perf_counter() - started)
        finally:
            if not is_mine:
                self._count(-1)

    def _add(self, waited: float, writing: float) -> None:
        with self._lock:
            self.finished += 1
            self.waited += waited
            self.writing += writing

    def _count(self, change: int) -> None:
        with self._lock:
            self._waiting += change


@contextmanager
def _holding(lock: FairLock) -> Iterator[None]:
    if not lock.acquire(LOCK_SECONDS):
        raise sa.exc.TimeoutError("another transaction does not end")
    try:
        yield
    finally:
        lock.release()
