"""The latest events in memory, in the order of their commits, for requests that stream them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

KEPT = 4096  # events, of all load balancers together

Wake = Callable[[], None]
T = TypeVar("T")


class Missed(Exception):
    """Events after the position are no longer kept."""


@dataclass
class Told:
    """One event as it was committed; it comes again, with the same ID, once it has been applied."""

    serial: int  # nanoseconds: later events have greater numbers
    loadbalancer_id: str
    project_id: str | None
    values: Mapping[str, Any]  # the columns of the event
    text: bytes = b""  # how a stream sends it; made once by the first stream, for all of them


class Tail(Generic[T]):
    """A ring buffer with readers that each have a position. Thread-safe."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept: deque[T] = deque(maxlen=kept)
        self._count = 0
        self._lock = threading.Lock()
        self._readers: dict[int, Wake] = {}

    @property
    def position(self) -> int:
        """The position behind the latest element."""
        return self._count

    def publish(self, found: Iterable[T]) -> None:
        """Add elements and wake all readers."""
        with self._lock:
            before = self._count
            for each in found:
                self._kept.append(each)
                self._count += 1
            readers = list(self._readers.values()) if self._count > before else []
        for wake in readers:
            wake()

    def after(self, position: int) -> tuple[list[T], int]:
        """Return the elements after a position, and the new position. Raises Missed."""
        with self._lock:
            count = self._count - position
            if count > len(self._kept):
                raise Missed
            return list(islice(self._kept, len(self._kept) - count, None)) if count else [], self._count

    def kept_after(self, position: int) -> list[T]:
        """Return the elements after a position, as far as they are kept."""
        with self._lock:
            count = min(self._count - position, len(self._kept))
            return list(islice(self._kept, len(self._kept) - count, None))

    def watch(self, reader: object, wake: Wake) -> None:
        """Have `wake` called whenever there is more, in the thread that publishes it: it must not block."""
        with self._lock:
            self._readers[id(reader)] = wake

    def unwatch(self, reader: object) -> None:
        with self._lock:
            self._readers.pop(id(reader), None)


class Feed(Tail[Told]):
    """The latest events, published after each commit, in the order of the commits."""

    def __init__(self, kept: int = KEPT) -> None:
        super().__init__(kept)
        self.share: Callable[[Sequence[Told]], None] | None = None  # tells other processes

    def publish(self, found: Iterable[Told], is_shared: bool = True) -> None:
        """Add events and wake all readers; they are also passed to `share`, unless they come from there."""
        told = list(found)
        if is_shared and told and self.share is not None:
            self.share(told)
        super().publish(told)

    def since(self, serial: int) -> tuple[list[Told], int] | None:
        """Return the events after one that was seen, and the new position; None if that one is older than all here."""
        with self._lock:
            if not self._kept or self._kept[0].serial > serial:
                return None
            kept = list(self._kept)
            # Transactions that end at the same time may be published in either order: go on behind the event itself.
            place = next((place for place, each in enumerate(kept) if each.serial == serial), None)
            if place is None:
                return [each for each in kept if each.serial > serial], self._count
            return kept[place + 1 :], self._count
