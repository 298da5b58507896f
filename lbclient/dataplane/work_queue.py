"""A work queue: a set of IDs, each due at a time, none ever with two workers at once."""

from __future__ import annotations

import threading
import time

from .fair_share import FairShare, Limits


class WorkQueue:
    """IDs that wait for a worker. Waking one that is queued already changes nothing: ten wakes are one entry.

    Which of them comes next is up to fair_share. The more workers there are, the more slow ones are worked on beside
    the ordinary ones; those without work only wait.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._share = FairShare(limits or Limits())
        self._waiting = 0  # workers
        self._is_over = False
        self._changed = threading.Condition()

    def limit(self, limits: Limits) -> None:
        """Set other limits from now on."""
        with self._changed:
            self._share.limits = limits
            self._changed.notify()

    def wake(self, id_: str, delay: float = 0.0, *, is_low_priority: bool = False, group: str | None = None) -> None:
        """Queue the ID after the delay; an entry that is due sooner, or of higher priority, keeps that.

        Without a group, the ID stays in the one that it had, or is one of its own.
        """
        with self._changed:
            self._share.put(id_, time.monotonic() + delay, is_low_priority, group)
            self._changed.notify()

    def take(self) -> str | None:
        """The next ID that is due, as soon as there is one; None after shut_down()."""
        with self._changed:
            self._waiting += 1
            try:
                while not self._is_over:
                    now = time.monotonic()
                    id_ = self._share.take(now)
                    if id_ is not None:
                        self._changed.notify()  # another worker has to look after the next one from now on
                        return id_
                    next_change = self._share.next_change(now)
                    self._changed.wait(None if next_change is None else max(0.0, next_change - now))
                return None
            finally:
                self._waiting -= 1

    def done(self, id_: str) -> None:
        """End the work on an ID; it is queued again if it was woken meanwhile."""
        with self._changed:
            self._share.done(id_, time.monotonic())
            self._changed.notify()  # another one may have waited for its place

    def is_absent(self, id_: str) -> bool:
        """Whether the ID is neither queued nor being worked on."""
        with self._changed:
            return id_ not in self._share

    def has_waiting_worker(self) -> bool:
        with self._changed:
            return self._waiting > 0

    def resize(self, id_: str, is_large: bool) -> bool:
        """Note whether an ID is large; True if its work is to be left to the place for large ones."""
        with self._changed:
            return self._share.resize(id_, is_large)

    def forget(self, id_: str) -> None:
        """Nothing is known any more of an ID that is not queued."""
        with self._changed:
            self._share.forget(id_)

    def shut_down(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
