"""What has gone, kept in case it comes back: a listener that is disabled for an hour counts on where it was."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

Thing = TypeVar("Thing")
MOST = 1000  # the oldest are forgotten beyond it


class Retained(Generic[Thing]):
    """Things by their IDs."""

    def __init__(self) -> None:
        self._things: OrderedDict[str, Thing] = OrderedDict()

    def put(self, id_: str, thing: Thing) -> Thing | None:
        """Keeps the thing; gives one that had to go for it."""
        self._things[id_] = thing
        return self._things.popitem(last=False)[1] if len(self._things) > MOST else None

    def take(self, id_: str) -> Thing | None:
        return self._things.pop(id_, None)

    def __iter__(self) -> Iterator[Thing]:
        return iter(self._things.values())
