"""Probes for other machines that have an address. One takes up to a second, and no transaction waits for it.

A transaction that needs to know about an address that was not probed raises Unprobed. It is rolled back, the address is
probed, and the request is handled again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from ..store import nonblocking
from . import errors
from .address_blocks import Address

T = TypeVar("T")

FRESH_SECONDS = 10.0  # a result is used for that long
MOST_PROBES = 16  # for one request, which skips as many addresses that other machines have


class Unprobed(Exception):
    """It is not known whether another machine has the address."""

    def __init__(self, address: Address) -> None:
        super().__init__(str(address))
        self.address = address


@dataclass(frozen=True)
class Probes:
    """The results of the probes of the last FRESH_SECONDS."""

    _known: dict[Address, tuple[float, str | None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refusal(self, address: Address) -> str | None:
        """Return that another machine has the address; None if none answered for it. Raises Unprobed."""
        until, why = self._known.get(address, (0.0, None))
        if until < time.monotonic():
            raise Unprobed(address)
        return why

    def refused(self) -> frozenset[Address]:
        """Return the addresses that other machines have, as far as they were probed."""
        now = time.monotonic()
        with self._lock:
            return frozenset(address for address, (until, why) in self._known.items() if why and until >= now)

    def completed(self, probe: Callable[[str], str | None], work: Callable[[], T]) -> T:
        """Return the result of the work, which is repeated after each probe that it needs.

        Raises Conflict after MOST_PROBES.
        """
        for _ in range(MOST_PROBES):
            try:
                return work()
            except Unprobed as lack:
                nonblocking.check_may_take_long()
                self._note(lack.address, probe(str(lack.address)))
        raise errors.Conflict(
            f"No free IP address was found: other machines answer for {MOST_PROBES} that were tried.",
            kind="IpAddressGenerationFailure",
        )

    def _note(self, address: Address, why: str | None) -> None:
        now = time.monotonic()
        with self._lock:
            for past in [each for each, (until, _) in self._known.items() if until < now]:
                del self._known[past]
            self._known[address] = now + FRESH_SECONDS, why
