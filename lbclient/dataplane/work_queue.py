"""A work queue: a set of IDs, each with a due time; an ID is never given to two workers at once."""

from __future__ import annotations

import threading
import time

from .fair_share import FairShare, Limits


class WorkQueue:
    """IDs that wait for a worker. Waking an ID that is already queued adds no entry: ten wakes are one entry.

    FairShare chooses the next ID. Additional workers let slow IDs be processed beside the ordinary ones; workers that
    have nothing to do block in take().
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._share = FairShare(limits or Limits())
        self._waiting = 0  # workers
        self._is_over = False
        self._changed = threading.Condition()

    def limit(self, limits: Limits) -> None:
        """Replace the limits."""
        with self._changed:
            self._share.limits = limits
            self._changed.notify()

    def wake(self, id_: str, delay: float = 0.0, *, is_low_priority: bool = False, group: str | None = None) -> None:
        """Queue the ID, due after the delay in seconds; an existing entry keeps an earlier time or a higher priority.

        Without a group, the ID stays in its present group, or forms one of its own.
        """
        with self._changed:
            self._share.put(id_, time.monotonic() + delay, is_low_priority, group)
            self._changed.notify()

    def take(self) -> str | None:
        """Block until an ID is due and may be worked on, and return it; return None after shut_down()."""
        with self._changed:
            self._waiting += 1
            try:
                while not self._is_over:
                    now = time.monotonic()
                    id_ = self._share.take(now)
                    if id_ is not None:
                        self._changed.notify()  # another worker has to wait for the next ID
                        return id_
                    next_change = self._share.next_change(now)
                    self._changed.wait(None if next_change is None else max(0.0, next_change - now))
                return None
            finally:
                self._waiting -= 1

    def done(self, id_: str) -> None:
        """Mark the work on an ID as finished; the ID is queued again if it was woken in the meantime."""
        with self._changed:
            self._share.done(id_, time.monotonic())
            self._changed.notify()  # an ID may have been waiting for the slot

    def is_absent(self, id_: str) -> bool:
        """Return whether the ID is neither queued nor being worked on."""
        with self._changed:
            return id_ not in self._share

    def is_due(self, id_: str) -> bool:
        """Return whether the ID is being worked on or due; False also if it is queued for a later time."""
        with self._changed:
            return self._share.is_due(id_, time.monotonic())

    def lengths(self) -> tuple[int, int]:
        """Return how many IDs are due and wait for a worker, and how many are being worked on."""
        with self._changed:
            return self._share.lengths(time.monotonic())

    def has_waiting_worker(self) -> bool:
        with self._changed:
            return self._waiting > 0

    def resize(self, id_: str, is_large: bool) -> bool:
        """Record whether an ID is large; return True if it is but is being worked on in an ordinary slot.

        The caller then wakes it again, so that it is taken in a slot for large IDs.
        """
        with self._changed:
            return self._share.resize(id_, is_large)

    def forget(self, id_: str) -> None:
        """Drop the size, speed and group recorded for an ID, unless it is queued."""
        with self._changed:
            self._share.forget(id_)

    def shut_down(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
