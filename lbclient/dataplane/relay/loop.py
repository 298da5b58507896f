"""The event loop: one thread that waits for descriptors and timers."""

from __future__ import annotations

import heapq
import itertools
import logging
import select
import time
from collections.abc import Callable

LOG = logging.getLogger(__name__)
MOST_EVENTS = 256
MOST_FAULTS = 100  # exceptions that are logged: more could fill the disk


class Loop:
    """An epoll with a handler for each descriptor, and timers. `now` is the monotonic time of the current round."""

    def __init__(self) -> None:
        self.now = time.monotonic()
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._faults = 0

    def watch(self, descriptor: int, handler: Callable[[], None], is_writing: bool = False) -> None:
        """Call the handler whenever the descriptor is readable; with is_writing, whenever it is writable."""
        known = descriptor in self._handlers
        self._handlers[descriptor] = handler
        events = select.EPOLLOUT if is_writing else select.EPOLLIN
        (self._epoll.modify if known else self._epoll.register)(descriptor, events)

    def forget(self, descriptor: int) -> None:
        if self._handlers.pop(descriptor, None):
            self._epoll.unregister(descriptor)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self.now + seconds, next(self._serial), action))

    def run(self) -> None:
        """Run until a handler or timer raises SystemExit."""
        handlers = self._handlers
        while True:
            events = self._epoll.poll(self._patience(), MOST_EVENTS)
            self.now = time.monotonic()
            for descriptor, _ in events:
                handler = handlers.get(descriptor)
                if handler is not None:  # an earlier handler of this round may have closed it
                    self._do(handler)
            self._ring()

    def _patience(self) -> float | None:
        return max(self._timers[0][0] - time.monotonic(), 0.0) if self._timers else None

    def _ring(self) -> None:
        while self._timers and self._timers[0][0] <= self.now:
            _, _, action = heapq.heappop(self._timers)
            self._do(action)

    def _do(self, action: Callable[[], None]) -> None:
        """Call an action and log its exceptions, so that they do not affect other actions."""
        try:
            action()
        except Exception:
            self._faults += 1
            if self._faults <= MOST_FAULTS:
                LOG.exception("a fault")
