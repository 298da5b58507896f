"""Group commit for SQLite: a write that has been answered survives a power cut.

SQLite would flush to disk at the end of each transaction, while all other writers wait for the lock. Here a writer
flushes after it has released the lock, and one flush covers every transaction that was committed before it began.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


class GroupCommit:
    """Flushes the write-ahead log of an SQLite database, from which SQLite recovers committed transactions."""

    def __init__(self, database: Path) -> None:
        self._log = database.with_name(f"{database.name}-wal")
        self._changed = threading.Condition()
        self._asked = 0  # calls of flush() so far
        self._done = 0  # calls covered by a completed flush
        self._is_busy = False
        self._listed: int | None = None  # inode of the log whose directory entry is on disk

    def flush(self) -> None:
        """Return once everything that was committed before the call is on disk. Raises OSError."""
        with self._changed:
            self._asked += 1
            mine = self._asked
            while self._is_busy and self._done < mine:
                self._changed.wait()
            if self._done >= mine:
                return
            self._is_busy = True
            until = self._asked
        try:
            self._write()
        except OSError:
            until = 0
            raise
        finally:
            with self._changed:
                self._is_busy = False
                self._done = max(self._done, until)
                self._changed.notify_all()

    def _write(self) -> None:
        try:
            descriptor = os.open(self._log, os.O_RDONLY)
        except FileNotFoundError:
            return  # SQLite has just checkpointed the whole log and removed it
        try:
            os.fdatasync(descriptor)
            inode = os.fstat(descriptor).st_ino
        finally:
            os.close(descriptor)
        if inode != self._listed:
            self._list()
            self._listed = inode

    def _list(self) -> None:
        directory = os.open(self._log.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
