"""Counters of write transactions, for the server's metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from . import haste


class Figures:
    """How many transactions were committed, and how long they waited and wrote, in seconds."""

    def __init__(self) -> None:
        self.committed = 0
        self.waited = 0.0
        self.writing = 0.0
        self._waiting = 0
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """The number of transactions that wait for their turn now."""
        return self._waiting

    @contextmanager
    def turn(self, lock: threading.Lock) -> Iterator[None]:
        """Hold the lock of the writers, as haste.holding() does, and measure the wait for it and the work under it."""
        begun = time.perf_counter()
        self._count(1)
        is_mine = False
        try:
            with haste.holding(lock):
                is_mine = True
                self._count(-1)
                started = time.perf_counter()
                self.waited += started - begun
                try:
                    yield
                    self.committed += 1
                finally:
                    self.writing += time.perf_counter() - started
        finally:
            if not is_mine:
                self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._waiting += change
