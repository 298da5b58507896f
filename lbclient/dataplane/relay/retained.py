"""Removed objects, kept in case they return: a listener that is disabled for an hour keeps its counters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

Thing = TypeVar("Thing")
MOST = 1000  # beyond that, the oldest are dropped


class Retained(Generic[Thing]):
    """Removed objects by ID, at most MOST."""

    def __init__(self) -> None:
        self._things: OrderedDict[str, Thing] = OrderedDict()

    def put(self, id_: str, thing: Thing) -> Thing | None:
        """Keep an object; return the oldest one if it had to be dropped, None otherwise."""
        self._things[id_] = thing
        return self._things.popitem(last=False)[1] if len(self._things) > MOST else None

    def take(self, id_: str) -> Thing | None:
        return self._things.pop(id_, None)

    def __iter__(self) -> Iterator[Thing]:
        return iter(self._things.values())
