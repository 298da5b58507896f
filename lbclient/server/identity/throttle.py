"""Throttling of failed logins: per user and address, and per address for all users."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import TooManyRequests

REMEMBERED = 10_000  # maximum (user, address) pairs with failures, and as many that have logged in
FORGOTTEN = 900.0  # seconds after the last attempt or the end of its delay


@dataclass
class _Tries:
    """Login attempts that failed or are still being checked."""

    count: int = 0
    last: float = 0.0
    next: float = 0.0  # time at which another attempt is allowed


@dataclass(frozen=True)
class Allowance:
    """The number of failures without a delay. Each further one doubles the delay, from one second to the longest."""

    free: int
    longest: float  # seconds

    def delay(self, count: int) -> float:
        return 0.0 if count < self.free else min(self.longest, 2.0 ** min(count - self.free, 32))


class Throttle:
    """Delays logins after failures. The state is kept in memory, so a restart resets it.

    An attempt counts as failed until it has succeeded, so that parallel attempts do not evade the limit. A user who
    has logged in from an address before is not delayed by failures of other users from there.
    """

    def __init__(
        self,
        user: Allowance = Allowance(free=5, longest=30.0),
        address: Allowance = Allowance(free=50, longest=30.0),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._user = user
        self._address = address
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: OrderedDict[tuple[str, str], _Tries] = OrderedDict()  # user "": all users of an address
        self._welcome: OrderedDict[tuple[str, str], None] = OrderedDict()

    def attempt(self, user: str, address: str) -> None:
        """Count an attempt. Raises TooManyRequests, without counting it, if it comes too early."""
        now = self._clock()
        with self._lock:
            counted = [(self._of((user, address), now), self._user)]
            if (user, address) not in self._welcome:
                counted.append((self._of(("", address), now), self._address))
            wait = max(tries.next for tries, _ in counted) - now
            if wait > 0:
                seconds = math.ceil(wait)
                raise TooManyRequests(f"Too many failed logins; try again in {seconds} seconds.", seconds)
            for tries, allowance in counted:
                tries.count += 1
                tries.last, tries.next = now, now + allowance.delay(tries.count)

    def succeeded(self, user: str, address: str) -> None:
        """Reset the failures of a user who has authenticated."""
        with self._lock:
            self._tries.pop((user, address), None)
            if (user, address) not in self._welcome and ("", address) in self._tries:
                tries = self._tries[("", address)]
                tries.count -= 1  # this attempt was counted, but did not fail
                tries.next = min(tries.next, tries.last + self._address.delay(tries.count))
            self._welcome[(user, address)] = None
            self._welcome.move_to_end((user, address))
            if len(self._welcome) > REMEMBERED:
                self._welcome.popitem(last=False)

    def _of(self, key: tuple[str, str], now: float) -> _Tries:
        tries = self._tries.get(key)
        if tries is None or now - max(tries.last, tries.next) > FORGOTTEN:
            tries = self._tries[key] = _Tries()
        self._tries.move_to_end(key)
        if len(self._tries) > REMEMBERED:
            self._tries.popitem(last=False)
        return tries
