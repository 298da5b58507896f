"""The schedule of polls: the next time for each load balancer."""

from __future__ import annotations

import heapq
import math


class Schedule:
    """IDs, each with the time of its next poll."""

    def __init__(self, grid: float) -> None:
        """Create a schedule; times are rounded up to a multiple of `grid` seconds, so that polls are batched."""
        self._grid = grid
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def at(self, id_: str, when: float) -> None:
        """Schedule an ID for that time, unless it is already scheduled for an earlier one."""
        self._set(id_, math.ceil(when / self._grid) * self._grid)

    def now(self, id_: str) -> None:
        self._set(id_, 0.0)

    def forget(self, id_: str) -> None:
        self._due.pop(id_, None)

    def first(self) -> float | None:
        """Return the earliest time; None if nothing is scheduled."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> list[str]:
        """Remove and return the IDs that are due."""
        taken = []
        while (first := self.first()) is not None and first <= now:
            id_ = heapq.heappop(self._heap)[1]
            del self._due[id_]
            taken.append(id_)
        return taken

    def _set(self, id_: str, when: float) -> None:
        if when < self._due.get(id_, math.inf):
            self._due[id_] = when
            heapq.heappush(self._heap, (when, id_))
