"""Bandwidth limits of a relay: datagrams above the limit are dropped."""

from __future__ import annotations

import math

BURST_SECONDS = 0.25
SMALLEST_BURST = 65536  # bytes; a datagram of any size passes sooner or later


class Bucket:
    """A token bucket for one direction; the flows of all listeners share it."""

    def __init__(self) -> None:
        self._limit = self._burst = self._left = math.inf
        self._filled = 0.0

    def take(self, limit: int) -> None:
        """Apply a limit in bytes per second; 0 for none."""
        if limit == self._limit:
            return
        self._limit = limit or math.inf
        self._burst = self._left = max(self._limit * BURST_SECONDS, SMALLEST_BURST)

    def admits(self, size: int, now: float) -> bool:
        """Return whether a datagram of `size` bytes may pass now, and count it if so."""
        if self._limit == math.inf:
            return True
        self._left = min(self._burst, self._left + (now - self._filled) * self._limit)
        self._filled = now
        if size > self._left:
            return False
        self._left -= size
        return True


class Traffic:
    """The limits of both directions."""

    def __init__(self) -> None:
        self.egress = Bucket()
        self.ingress = Bucket()
