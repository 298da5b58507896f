"""The VIPs of the trees of a test, and which of them its clients use: IPv4, IPv6, or both side by side."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest

CHOICES = {"IPv4": ("127.0.0.1",), "IPv6": ("::1",), "both": ("127.0.0.1", "::1")}


class Vips:
    """The VIPs of one test; clients use them in turn, but always the same for one port."""

    def __init__(self, choice: str) -> None:
        self.addresses = CHOICES[choice]
        turns = itertools.cycle(self.addresses)
        self._by_port: dict[int, str] = defaultdict(lambda: next(turns))

    def at(self, port: int, source: str | None = None) -> str:
        """The address at which a client, from a source address if one is given, reaches a listener."""
        if source is None:
            return self._by_port[port]
        version = ":" in source
        found = [address for address in self.addresses if (":" in address) == version]
        if not found:
            pytest.skip(f"no VIP that {source} reaches")
        return found[0]


current = Vips("IPv4")


def use(choice: str) -> None:
    """Choose the VIPs of the trees that name none."""
    global current
    current = Vips(choice)


def addresses() -> tuple[str, ...]:
    return current.addresses


def at(port: int, source: str | None = None) -> str:
    """The address at which a client reaches a listener."""
    return current.at(port, source)
