"""When each load balancer is to be looked at next."""

from __future__ import annotations

import heapq
import math


class Schedule:
    """Ids with a time each."""

    def __init__(self, grid: float) -> None:
        """Times go up to a multiple of `grid` seconds, so that many are looked at together."""
        self._grid = grid
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def at(self, id_: str, when: float) -> None:
        """That time, or the one that is set already if that is earlier."""
        self._set(id_, math.ceil(when / self._grid) * self._grid)

    def now(self, id_: str) -> None:
        self._set(id_, 0.0)

    def forget(self, id_: str) -> None:
        self._due.pop(id_, None)

    def first(self) -> float | None:
        """The earliest time."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> list[str]:
        """The ids whose time has come; they have none any more."""
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
