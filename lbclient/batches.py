"""Batches of what is too much for one statement, transaction or request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in order, at most so many at a time; nothing if there are none."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
