"""Matching of declared objects with existing ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...client.errors import Ambiguous
from ...client.rest import Json
from ...resources import L7POLICY, L7RULE, POOL
from ..schema import Declared, identity, label

IsSame = Callable[[Declared, Json], bool]


@dataclass(frozen=True)
class Match:
    """An object of the file and the one that exists; either may be missing."""

    declared: Declared | None
    live: Json  # {} if there is none


def match(declared: Sequence[Declared], live: Sequence[Json], is_same: IsSame) -> list[Match]:
    """Return pairs in the file's order, then the existing objects that are not in it. Raises Ambiguous."""
    left = list(live)
    found: dict[int, Json] = {}
    for is_it in _ways(declared, live, is_same):
        for number, one in enumerate(declared):
            if number in found:
                continue
            other = next((other for other in left if is_it(one, other)), None)
            if other is not None:
                found[number] = other
                left.remove(other)
    pairs = [Match(one, found.get(number, {})) for number, one in enumerate(declared)]
    return [*pairs, *(Match(None, other) for other in left)]


def _ways(declared: Sequence[Declared], live: Sequence[Json], is_same: IsSame) -> list[IsSame]:
    """Return the comparisons that match an object, best first."""
    resource = declared[0].resource if declared else None
    if resource is L7RULE:  # rules have no name: match by content, otherwise by order
        return [is_same, lambda one, other: True]
    if resource is L7POLICY:
        return [lambda one, other: _named(one, other) and is_same(one, other), _named]
    if resource is POOL:
        _check_names(declared, live)
        return [lambda one, other: bool(one.values["name"] in (other["name"], other["id"]))]
    return [lambda one, other: identity(one.resource, one.values) == identity(one.resource, other)]


def _named(one: Declared, other: Json) -> bool:
    return (one.values.get("name") or "") == (other.get("name") or "")


def _check_names(declared: Sequence[Declared], live: Sequence[Json]) -> None:
    names = [pool["name"] for pool in live]
    for one in declared:
        if names.count(one.values["name"]) > 1:
            ids = ", ".join(pool["id"] for pool in live if pool["name"] == one.values["name"])
            raise Ambiguous(f"{label(POOL, one.values)}: several pools have this name: give the ID instead ({ids}).")
