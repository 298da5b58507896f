"""Limits of one query string, for every service: parameters that cost more to answer than to send are bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...store import nonblocking
from ..errors import BadRequest

ARGUMENTS = 500  # per query
VALUES = 200  # per filter
TAGS = 50  # per filter by tags
FEW = 8  # the number of arguments that are handled quickly
SHORT = 50  # the number of rows that are presented quickly
USUAL_KEYS = 2  # sort keys; an order by more of them is unlikely to be repeated
USUAL = 300  # characters of a query; a longer one, or one with many values, is unlikely to be repeated

Pairs = Sequence[tuple[str, str]]


def check(query: Pairs) -> None:
    """Check the number of arguments of a query.

    Raises BadRequest for too many, and TakesLong for a long query that runs on the event loop.
    """
    if len(query) > ARGUMENTS:
        raise BadRequest(f"The query has {len(query)} arguments; at most {ARGUMENTS} are allowed.")
    if len(query) > FEW:
        nonblocking.check_may_take_long()


def is_usual(query: Pairs) -> bool:
    """Whether a query is small and likely to be repeated: only the statements of such queries are cached."""
    size = sum(len(name) + len(value) for name, value in query)
    keys = sum(name == "sort_key" for name, _ in query)
    return size <= USUAL and keys <= USUAL_KEYS and sum(value.count(",") + 1 for _, value in query) <= FEW


def rows(limit: int) -> int:
    """Return how many rows of a page to read; on the event loop, just enough to see whether the page is short."""
    return min(limit, SHORT + 1) if nonblocking.is_required() else limit


def presented(found: Sequence[object]) -> None:
    """Raise TakesLong if a request on the event loop found too many rows to present quickly."""
    if len(found) > SHORT:
        nonblocking.check_may_take_long()


def values(name: str, given: Iterable[str]) -> list[str]:
    """Return the distinct values of a filter. Raises BadRequest for too many."""
    return _few(name, given, VALUES, "values")


def tags(name: str, given: Iterable[str]) -> list[str]:
    """Return the distinct tags of a filter, which may be separated by commas. Raises BadRequest for too many."""
    return _few(name, (tag for value in given for tag in value.split(",")), TAGS, "tags")


def order(keys: Iterable[str]) -> None:
    """Check that no sort key is given twice. Raises BadRequest."""
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise BadRequest(
                f"Supplied sort key '{key}' is not valid: each key may be given once, and it is there twice."
            )
        seen.add(key)


def _few(name: str, given: Iterable[str], maximum: int, what: str) -> list[str]:
    found = list(dict.fromkeys(given))
    if len(found) > maximum:
        raise BadRequest(f"The filter {name} has {len(found)} {what}; at most {maximum} are allowed.")
    return found
