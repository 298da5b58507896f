"""How much one query may ask for, in every service: what costs more to answer than to send is bounded here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..store import haste
from .errors import BadRequest

ARGUMENTS = 500  # of one query
VALUES = 200  # of one filter
TAGS = 50  # of one filter by tags
FEW = 8  # arguments that take no time worth mentioning
SHORT = 50  # rows that are presented soon
USUAL = 300  # characters of a query; a longer one is not likely to be asked again, nor is one of many values

Pairs = Sequence[tuple[str, str]]


def check(query: Pairs) -> None:
    """Raises BadRequest where a query has too many arguments, and WouldWait for a long one where there is no time."""
    if len(query) > ARGUMENTS:
        raise BadRequest(f"The query has {len(query)} arguments; at most {ARGUMENTS} are allowed.")
    if len(query) > FEW:
        haste.may_take_long()


def is_usual(query: Pairs) -> bool:
    """Whether a query is likely to be asked again, and its statement small: only such are kept."""
    size = sum(len(name) + len(value) for name, value in query)
    return size <= USUAL and sum(value.count(",") + 1 for _, value in query) <= FEW


def rows(limit: int) -> int:
    """How many rows of a page to look for; where there is no time, no more than show whether it is a short one."""
    return min(limit, SHORT + 1) if haste.is_in_haste() else limit


def presented(found: Sequence[object]) -> None:
    """Raises WouldWait where the rows are many, and there is no time."""
    if len(found) > SHORT:
        haste.may_take_long()


def values(name: str, given: Iterable[str]) -> list[str]:
    """The different values of a filter. Raises BadRequest for too many."""
    return _few(name, given, VALUES, "values")


def tags(name: str, given: Iterable[str]) -> list[str]:
    """The different tags of a filter, which may have commas between them. Raises BadRequest for too many."""
    return _few(name, (tag for value in given for tag in value.split(",")), TAGS, "tags")


def order(keys: Iterable[str]) -> None:
    """Raises BadRequest where a sort key is given twice."""
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
