"""Whether the server is heard, and what the log says about it: one line for each change."""

from __future__ import annotations

import logging
import threading
import time

LOG = logging.getLogger(__name__)


class Contact:
    """The contact with the server. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost_at: float | None = None
        self._reason = ""

    @property
    def is_heard(self) -> bool:
        return self._lost_at is None

    def lost(self, error: Exception) -> None:
        """Note that the server does not answer, or refuses, and log it unless that is known with this reason."""
        with self._lock:
            if self._lost_at is None:
                self._lost_at = time.monotonic()
            elif self._reason == str(error):
                return
            self._reason = str(error)
        LOG.warning("the server is not heard, will try again; what runs goes on: %s", error)

    def heard(self) -> None:
        """Note that the server answers, and log it if it did not before."""
        with self._lock:
            if self._lost_at is None:
                return
            seconds, self._lost_at = time.monotonic() - self._lost_at, None
        LOG.warning("the server is heard again, after %.0f s", seconds)
