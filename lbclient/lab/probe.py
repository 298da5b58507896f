"""A client that opens connections to a web server all the time, and says for how long they were not answered."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from dataclasses import dataclass

PAUSE = 0.01  # seconds between connections
PATIENCE = 0.2  # seconds until a request counts as late
WAIT = 3.0  # seconds until a request counts as failed
ENOUGH = 50  # requests
REQUEST = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """A request on a connection of its own: when it was begun, and the seconds to its answer; None without one."""

    begun: float
    seconds: float | None

    @property
    def is_late(self) -> bool:
        return self.seconds is None or self.seconds > PATIENCE


class Probe:
    """Opens a connection each PAUSE, whether or not earlier ones are answered, from start() to stop()."""

    def __init__(self, address: str, port: int = 80) -> None:
        self._place = (address, port)
        self._is_over = threading.Event()
        self._requests: list[Request] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Measured:
        """Stop, and return what was measured; requests that are under way are waited for."""
        self._is_over.set()
        self._thread.join()
        return Measured(tuple(sorted(self._requests, key=lambda each: each.begun)))

    def has_served(self, since: float) -> bool:
        """Return whether ENOUGH requests that were begun after this moment of time.monotonic() were answered."""
        return sum(each.begun > since and each.seconds is not None for each in list(self._requests)) >= ENOUGH

    async def _run(self) -> None:
        waiting: set[asyncio.Task[None]] = set()
        while not self._is_over.is_set():
            task = asyncio.create_task(self._ask())
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            await asyncio.sleep(PAUSE)
        await asyncio.gather(*waiting)

    async def _ask(self) -> None:
        begun = time.monotonic()
        try:
            answer = await asyncio.wait_for(self._answer(), WAIT)
            is_good = answer.startswith(b"HTTP/1.1 200 ")
        except (OSError, asyncio.TimeoutError):
            is_good = False
        self._requests.append(Request(begun, time.monotonic() - begun if is_good else None))

    async def _answer(self) -> bytes:
        reader, writer = await asyncio.open_connection(*self._place)
        try:
            writer.write(REQUEST)
            return await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@dataclass(frozen=True)
class Measured:
    """The requests of a probe, in the order in which they were begun."""

    requests: tuple[Request, ...]

    @property
    def gap(self) -> float:
        """The longest time in seconds in which no request was begun that was answered in time."""
        runs = itertools.groupby(self.requests, key=lambda each: each.is_late)
        late = [[each.begun for each in run] for is_late, run in runs if is_late]
        return max((run[-1] - run[0] + PAUSE for run in late), default=0.0)

    @property
    def late(self) -> int:
        """How many were answered, but late."""
        return sum(each.is_late for each in self.requests) - self.failed

    @property
    def failed(self) -> int:
        """How many were not answered within WAIT seconds, or with an error."""
        return sum(each.seconds is None for each in self.requests)
