"""The attached addresses, and the load balancers that need each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence


class Holders:
    """The holders of each address, by ID. Not thread-safe: an attachment has a lock of its own."""

    def __init__(self) -> None:
        self._holders: dict[str, set[str]] = {}

    def __contains__(self, address: str) -> bool:
        return address in self._holders

    def __iter__(self) -> Iterator[str]:
        return iter(self._holders)

    def add(self, holder: str, address: str) -> None:
        self._holders.setdefault(address, set()).add(holder)

    def add_all(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Add the addresses of many holders, {holder: addresses}."""
        for holder, addresses in wanted.items():
            for address in addresses:
                self.add(holder, address)

    def give_up(self, holder: str, kept: Collection[str]) -> Iterator[str]:
        """Take all other addresses from a holder; yield each that has no holder left, to be detached.

        It is forgotten when the next one is asked for, once it has been detached.
        """
        given_up = [address for address, holders in self._holders.items() if holder in holders and address not in kept]
        for address in given_up:
            self._holders[address].discard(holder)
            if not self._holders[address]:
                yield address
                del self._holders[address]
