"""Forwarding of traffic logs: each line goes to files, syslog servers and OpenTelemetry collectors."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..loadbalancer.log_lines import parsed, present
from ..services import LoggedLine
from .owners import Owners

LOG = logging.getLogger(__name__)
MOST_WAITING = 10_000  # lines that wait for a destination; the oldest are dropped first
MOST_AT_ONCE = 500  # lines that are sent together
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before the next attempt
STOP_SECONDS = 2.0
COMPLAIN = 60.0  # seconds between two warnings about a destination

Values = dict[str, Any]
Count = Callable[[str, str, int], None]  # called with the kind of a destination, an outcome, and a number of lines


@dataclass(frozen=True)
class Record:
    """A line that is forwarded."""

    at: float  # seconds since 1970
    values: Values


class Destination(Protocol):
    """Where lines are sent. An attempt that fails is repeated with the same lines."""

    kind: str

    def send(self, records: Sequence[Record]) -> None:
        """Send lines. Raises OSError."""
        ...

    def close(self) -> None: ...


class Forwarding:
    """Names the objects in each line and hands it to a thread for each destination."""

    def __init__(self, destinations: Iterable[Destination], owners: Owners, count: Count) -> None:
        self._owners = owners
        self._count = count
        self._carriers = [Carrier(each, count) for each in destinations]
        self._received: queue.SimpleQueue[tuple[str, Sequence[LoggedLine]] | None] = queue.SimpleQueue()
        self._waiting = 0
        self._thread = threading.Thread(target=self._work, name="forwarding", daemon=True)

    def start(self) -> None:
        if self._carriers:
            self._thread.start()
        for each in self._carriers:
            each.start()

    def stop(self) -> None:
        """Send what has been received, for as long as STOP_SECONDS."""
        if self._carriers:
            self._received.put(None)
            self._thread.join(STOP_SECONDS)
        deadline = time.monotonic() + STOP_SECONDS
        for each in self._carriers:
            each.end(deadline)

    def take(self, loadbalancer_id: str, lines: Sequence[LoggedLine]) -> None:
        """Forward lines of a load balancer. Does not block."""
        if not self._carriers:
            return
        if self._waiting > MOST_WAITING:
            self._count("all", "dropped", len(lines))
            return
        self._waiting += len(lines)  # only the thread that receives lines adds to it
        self._received.put((loadbalancer_id, lines))

    def _work(self) -> None:
        while (received := self._received.get()) is not None:
            loadbalancer_id, lines = received
            try:
                records = self._records(loadbalancer_id, lines)
            except Exception:
                LOG.exception("traffic logs: lines could not be forwarded")
                continue
            finally:
                self._waiting -= len(lines)
            for each in self._carriers:
                each.put(records)

    def _records(self, loadbalancer_id: str, lines: Sequence[LoggedLine]) -> list[Record]:
        owner = self._owners.find(loadbalancer_id)
        found = []
        for each in lines:
            values = parsed(each.line)
            if values is not None:
                at = float(values["ts"])
                found.append(Record(at, {**present(each.listener_id, values, owner.names), **owner.values}))
        return found


class Carrier(threading.Thread):
    """Sends lines to one destination, and again until that succeeds."""

    def __init__(self, destination: Destination, count: Count) -> None:
        super().__init__(name=f"forwarding to {destination.kind}", daemon=True)
        self._destination = destination
        self._count = count
        self._records: deque[Record] = deque()
        self._changed = threading.Condition()
        self._until: float | None = None  # when to give up, once the server stops
        self._complained_at = -COMPLAIN

    def put(self, records: Sequence[Record]) -> None:
        with self._changed:
            self._records.extend(records)
            lost = max(0, len(self._records) - MOST_WAITING)
            for _ in range(lost):
                self._records.popleft()
            self._changed.notify()
        if lost:
            self._count(self._destination.kind, "dropped", lost)

    def end(self, deadline: float) -> None:
        with self._changed:
            self._until = deadline
            self._changed.notify()
        self.join(max(0.0, deadline - time.monotonic()))

    def run(self) -> None:
        pause = FIRST_PAUSE
        while (taken := self._take()) is not None:
            try:
                self._destination.send(taken)
            except Exception as error:  # whatever it is, this thread goes on; a name of no host is a UnicodeError
                self._put_back(taken, error)
                if not self._rest(pause):
                    break
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._count(self._destination.kind, "sent", len(taken))
                pause = FIRST_PAUSE
        self._destination.close()

    def _take(self) -> list[Record] | None:
        """Wait for lines and return them; None once there are no more and the server stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._records or self._until is not None)
            taken = [self._records.popleft() for _ in range(min(MOST_AT_ONCE, len(self._records)))]
        return taken or None

    def _put_back(self, records: list[Record], error: Exception) -> None:
        with self._changed:
            room = max(0, MOST_WAITING - len(self._records))
            self._records.extendleft(reversed(records[len(records) - min(room, len(records)) :]))
        lost = len(records) - min(room, len(records))
        if lost:
            self._count(self._destination.kind, "dropped", lost)
        if time.monotonic() - self._complained_at >= COMPLAIN:
            self._complained_at = time.monotonic()
            LOG.warning("traffic logs cannot be forwarded to %s: %s", self._destination.kind, error)

    def _rest(self, seconds: float) -> bool:
        """Wait before the next attempt; return whether there is time for one."""
        with self._changed:
            self._changed.wait_for(lambda: self._until is not None, seconds)
            return self._until is None
