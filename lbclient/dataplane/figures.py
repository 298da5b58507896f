"""Counters of the data plane, for the server's metrics."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

LIMITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds


@dataclass(frozen=True)
class Figures:
    """The counters and lengths at one moment."""

    reconciles: Mapping[str, int]  # by how HAProxy took the change
    reconciled: int
    seconds: float  # that all of them took together
    durations: tuple[tuple[float, int], ...]  # (seconds, how many took at most that long)
    queued: int  # load balancers that are due and wait for a worker
    working: int
    processes: int  # of HAProxy


class Reconciled:
    """Counts reconciles and how long they took. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: Counter[str] = Counter()
        self._seconds = 0.0
        self._buckets = [0] * (len(LIMITS) + 1)

    def add(self, how: str, seconds: float) -> None:
        with self._lock:
            self._kinds[how] += 1
            self._seconds += seconds
            self._buckets[bisect_left(LIMITS, seconds)] += 1

    def figures(self, queued: int, working: int, processes: int) -> Figures:
        """Return the counters, together with these lengths."""
        with self._lock:
            durations = tuple(zip(LIMITS, accumulate(self._buckets), strict=False))
            kinds = dict(self._kinds)
            return Figures(kinds, sum(kinds.values()), self._seconds, durations, queued, working, processes)
