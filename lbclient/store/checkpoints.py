"""Checkpoints of an SQLite database: commits move from the write-ahead log to the database beside other transactions.

SQLite would do this at the end of a transaction, while all other writers wait for its flushes to disk.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from .fair_lock import FairLock

LOG = logging.getLogger(__name__)
PAUSE = 0.2  # seconds between two checkpoints
LONG = 8000  # pages of the log; SQLite begins it again only after a checkpoint during which nothing was written
TURN_SECONDS = 30.0


class Checkpoints:
    """A thread, started by the first commit, that makes a checkpoint soon after commits."""

    def __init__(self, engine: sa.Engine, turn: FairLock) -> None:
        self._engine = engine
        self._turn = turn
        self._is_due = threading.Event()
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._has_failed = False  # the last one

    def note(self) -> None:
        """Note that something was committed."""
        if self._is_due.is_set():
            return
        self._is_due.set()
        with self._lock:
            if self._thread is None and not self._is_over.is_set():
                self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread. The last connection that is closed makes a checkpoint itself."""
        self._is_over.set()
        self._is_due.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():  # close() may have woken this thread just before the call of clear()
            self._is_due.wait()
            if self._is_over.wait(PAUSE):
                return
            self._is_due.clear()
            try:
                self._make()
                self._has_failed = False
            except sa.exc.SQLAlchemyError as error:  # as on a full disk; the log keeps everything meanwhile
                if not self._has_failed:
                    LOG.warning("a checkpoint of the database failed, and is tried again after each commit: %s", error)
                self._has_failed = True

    def _make(self) -> None:
        """Make a checkpoint; if the log has become long, another one while nothing is written, which leaves little."""
        if self._pages() < LONG or not self._turn.acquire(TURN_SECONDS):
            return
        try:
            self._pages()
        finally:
            self._turn.release()

    def _pages(self) -> int:
        """Make a checkpoint that waits for nothing, and return the length of the log in pages."""
        with self._engine.connect() as connection:
            row = connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()
        return int(row[1])
