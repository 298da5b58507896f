"""Threads for which senders take turns, so that a flood of one sender delays only the sender's own calls."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .fairness import displaced

T = TypeVar("T")


class Full(Exception):
    """The queue, or the sender's share of it, is full."""


class Turns:
    """A queue of calls for a few threads; its methods belong to one event loop.

    The next call is one of the sender with the fewest calls in progress, and senders with as many take turns. One
    sender has half of the threads, so that the first call of another sender begins at once. When the queue is full, a
    sender with a smaller share takes the place of the latest call of the sender with the largest.
    """

    def __init__(self, name: str, threads: int, most: int = sys.maxsize, senders: int = 1) -> None:
        """Let `most` calls of each sender wait or run, and as many as `senders` with that many in all."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads = threads
        self._each = max(1, threads // 2)
        self._most = most
        self._most_in_all = most * senders
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # by sender; the next one to take a turn first

    def __len__(self) -> int:
        """Return how many calls wait or run."""
        return self._running.total() + sum(map(len, self._waiting.values()))

    async def run(self, sender: str, call: Callable[[], T]) -> T:
        """Return the result of a call in one of the threads. Raises Full."""
        self._make_room(sender)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(sender, deque()).append(turn)
        self._give_turns()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # cancelled after its turn had come
                self._end(sender)
            raise
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        finally:
            self._end(sender)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _make_room(self, sender: str) -> None:
        """Raises Full."""
        if self._share(sender) >= self._most:
            raise Full
        if len(self) < self._most_in_all:
            return
        other = displaced(sender, self._share, self._waiting)
        if other is None:
            raise Full
        self._take(other, -1).set_exception(Full())

    def _share(self, sender: str) -> int:
        return self._running[sender] + len(self._waiting.get(sender, ()))

    def _give_turns(self) -> None:
        while self._running.total() < self._threads:
            free = [sender for sender in self._waiting if self._running[sender] < self._each]
            if not free:
                return
            sender = min(free, key=self._running.__getitem__)  # the first of those with as few
            turn = self._take(sender, 0)
            if not turn.cancelled():
                self._running[sender] += 1
                turn.set_result(None)

    def _take(self, sender: str, place: int) -> asyncio.Future[None]:
        """Remove and return a waiting call of a sender, who goes to the end of the row of senders."""
        waiting = self._waiting.pop(sender)
        turn = waiting[place]
        del waiting[place]
        if waiting:
            self._waiting[sender] = waiting
        return turn

    def _end(self, sender: str) -> None:
        self._running[sender] -= 1
        if not self._running[sender]:
            del self._running[sender]
        self._give_turns()
