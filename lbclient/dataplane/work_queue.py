"""A work queue: a set of IDs, each due at a time, none ever with two workers at once."""

from __future__ import annotations

import heapq
import threading
import time

_Entry = tuple[float, bool]  # when it is due, and whether it is of low priority


class WorkQueue:
    """IDs that wait for a worker. Waking one that is queued already changes nothing: ten wakes are one entry.

    Entries of low priority come last, and never keep all workers busy.
    """

    def __init__(self, low_priority_at_once: int = 1) -> None:
        self.low_priority_at_once = low_priority_at_once
        self._queued: dict[str, _Entry] = {}
        self._heaps: dict[bool, list[tuple[float, str]]] = {
            False: [],
            True: [],
        }  # by priority; with entries that are superseded
        self._busy: dict[str, bool] = {}  # and whether it was of low priority
        self._is_over = False
        self._changed = threading.Condition()

    def wake(self, id_: str, delay: float = 0.0, *, is_low_priority: bool = False) -> None:
        """Queue the ID after the delay; an entry that is due sooner, or of higher priority, stays as it is."""
        due = time.monotonic() + delay
        with self._changed:
            before = self._queued.get(id_, (due, is_low_priority))
            entry = (min(due, before[0]), is_low_priority and before[1])
            if entry != self._queued.get(id_):
                self._enqueue(id_, entry)

    def take(self) -> str | None:
        """The next ID that is due, as soon as there is one; None after shut_down()."""
        with self._changed:
            while not self._is_over:
                now = time.monotonic()
                id_ = self._due(now)
                if id_ is not None:
                    self._busy[id_] = self._queued.pop(id_)[1]
                    self._changed.notify()  # another one that waits may have to look after the next one from now on
                    return id_
                first = min((heap[0][0] for heap in self._open_heaps()), default=None)
                self._changed.wait(None if first is None else first - now)
            return None

    def done(self, id_: str) -> None:
        """End the work on an ID; it is queued again if it was woken meanwhile."""
        with self._changed:
            del self._busy[id_]
            if id_ in self._queued:
                self._enqueue(id_, self._queued[id_])
            self._changed.notify()  # one of low priority may have waited for this

    def is_absent(self, id_: str) -> bool:
        """Whether the ID is neither queued nor being worked on."""
        with self._changed:
            return id_ not in self._busy and id_ not in self._queued

    def shut_down(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _enqueue(self, id_: str, entry: _Entry) -> None:
        self._queued[id_] = entry
        if id_ not in self._busy:  # otherwise it comes back when that is over
            due, is_low_priority = entry
            heapq.heappush(self._heaps[is_low_priority], (due, id_))
            self._changed.notify()

    def _due(self, now: float) -> str | None:
        """Takes the first whose time has come off its heap."""
        for heap in self._open_heaps():
            if heap[0][0] <= now:
                return heapq.heappop(heap)[1]
        return None

    def _open_heaps(self) -> list[list[tuple[float, str]]]:
        """The heaps that may be taken from, low priority last, each with a current entry on top."""
        is_full = sum(self._busy.values()) >= self.low_priority_at_once
        found = []
        for is_low_priority in (False,) if is_full else (False, True):
            heap = self._heaps[is_low_priority]
            while heap and not self._is_current(*heap[0], is_low_priority):
                heapq.heappop(heap)
            if heap:
                found.append(heap)
        return found

    def _is_current(self, due: float, id_: str, is_low_priority: bool) -> bool:
        return id_ not in self._busy and self._queued.get(id_) == (due, is_low_priority)
