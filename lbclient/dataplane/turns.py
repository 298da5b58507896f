"""Whose turn it is: a set of ids, each due at a time, none ever with two workers at once."""

from __future__ import annotations

import threading
import time


class Turns:
    """Ids that wait to be worked on. Waking one that waits already changes nothing: ten wakes, one turn."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._busy: set[str] = set()
        self._is_over = False
        self._changed = threading.Condition()

    def wake(self, id_: str, delay: float = 0.0) -> None:
        """Gives the id a turn after the delay, or sooner if one was promised."""
        with self._changed:
            due = time.monotonic() + delay
            self._due[id_] = min(due, self._due.get(id_, due))
            self._changed.notify()

    def take(self) -> str | None:
        """The next id, as soon as there is one; None when it is over."""
        with self._changed:
            while not self._is_over:
                waiting = {id_: due for id_, due in self._due.items() if id_ not in self._busy}
                first = min(waiting, key=waiting.__getitem__, default=None)
                now = time.monotonic()
                if first is not None and waiting[first] <= now:
                    del self._due[first]
                    self._busy.add(first)
                    return first
                self._changed.wait(None if first is None else waiting[first] - now)
            return None

    def done(self, id_: str) -> None:
        """The turn is over; one that was woken meanwhile gets another."""
        with self._changed:
            self._busy.discard(id_)
            self._changed.notify_all()

    def is_quiet(self, id_: str) -> bool:
        """Whether the id is neither worked on nor promised a turn."""
        with self._changed:
            return id_ not in self._busy and id_ not in self._due

    def end(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
