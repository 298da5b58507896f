"""Delay the answer to a write briefly until its load balancer has settled.

Clients poll once right after a change and then sleep for a second or more. An answer that arrives once the change has
been applied saves them that second; its body shows PENDING_* all the same, as in Octavia.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


class Settlements:
    """The writes that wait for load balancers to settle. Thread-safe."""

    def __init__(self, is_settled: Callable[[str], bool], seconds: float, at_once: int) -> None:
        """is_settled(loadbalancer_id): whether the load balancer is not PENDING.

        No write waits longer than `seconds`, and at most `at_once` writes wait; further ones are answered at once.
        """
        self._is_settled = is_settled
        self._seconds = seconds
        self._places = threading.Semaphore(at_once)
        self._lock = threading.Lock()
        self._waiting: dict[str, list[threading.Event]] = {}
        self._is_paused = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no write wait until the end of the block, in which nothing is reconciled."""
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    @contextmanager
    def expected(
        self, loadbalancer_ids: Sequence[str], is_idle: Callable[[str], bool] | None = None
    ) -> Iterator[Callable[[], None]]:
        """Register for changes of these load balancers; yield a function that waits until they have settled.

        With is_idle(loadbalancer_id), it waits until that is true instead, which it may be from the beginning.
        """
        if self._is_paused or not loadbalancer_ids or not self._places.acquire(blocking=False):
            yield lambda: None
            return
        events = [(id_, self._register(id_)) for id_ in dict.fromkeys(loadbalancer_ids)]
        try:
            yield lambda: self._wait(events, is_idle)
        finally:
            for id_, event in events:
                self._unregister(id_, event)
            self._places.release()

    def tell(self, loadbalancer_id: str) -> None:
        """Wake the writes that wait for a load balancer; called after it has been reconciled."""
        with self._lock:
            for event in self._waiting.get(loadbalancer_id, ()):
                event.set()

    def _wait(
        self, events: Sequence[tuple[str, threading.Event]], is_idle: Callable[[str], bool] | None = None
    ) -> None:
        deadline = time.monotonic() + self._seconds
        is_done = is_idle or self._is_settled
        for id_, event in events:
            if is_idle and is_idle(id_):
                continue
            while event.wait(max(0.0, deadline - time.monotonic())):
                event.clear()  # before the check: a later reconciliation sets the event again
                if is_done(id_):
                    break

    def _register(self, id_: str) -> threading.Event:
        event = threading.Event()
        with self._lock:
            self._waiting.setdefault(id_, []).append(event)
        return event

    def _unregister(self, id_: str, event: threading.Event) -> None:
        with self._lock:
            self._waiting[id_].remove(event)
            if not self._waiting[id_]:
                del self._waiting[id_]
