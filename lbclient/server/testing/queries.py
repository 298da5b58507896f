"""Check query parameters of the testing API: filters of recorded requests; no other path takes any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from ...resources.testing import METHODS, RECORDED_REQUEST
from ..errors import InvalidInput

Query = Sequence[tuple[str, str]]

RECORDED = tuple(each.name for each in RECORDED_REQUEST.fields if each.name not in ("request", "answer"))
RECORDED_METHODS = (*METHODS, "OPTIONS")

# Whether a value can match, and what is allowed; other filters take any text.
_CHECKS: dict[str, tuple[Callable[[str], bool], str]] = {
    "number": (lambda text: _is_integer(text, 1, None), "an integer from 1"),
    "at": (lambda text: _is_time(text), "a UTC time such as 2026-01-31T12:00:00.123"),
    "method": (lambda text: text in RECORDED_METHODS, f"one of: {', '.join(RECORDED_METHODS)}"),
    "status": (lambda text: _is_integer(text, 100, 599), "an integer from 100 to 599"),
    "milliseconds": (lambda text: _is_number(text), "a number"),
}


def filters(query: Query) -> dict[str, str]:
    """Return the filters of recorded requests. Raises InvalidInput."""
    for name, value in query:
        if name not in RECORDED:
            raise InvalidInput(name, value, f"Query parameters are: {', '.join(RECORDED)}")
        fits, allowed = _CHECKS.get(name, (lambda text: True, ""))
        if not fits(value):
            raise InvalidInput(name, value, f"Value should be {allowed}")
    found = dict(query)
    if len(found) < len(query):
        name = next(name for name in found if sum(each == name for each, _ in query) > 1)
        raise InvalidInput(name, found[name], "Each query parameter should be given once")
    return found


def refuse(query: Query) -> None:
    """Raise InvalidInput if there is any query parameter."""
    for name, value in query:
        raise InvalidInput(name, value, "This path takes no query parameters")


def _is_integer(text: str, lowest: int, highest: int | None) -> bool:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return False
    return lowest <= int(text) and (highest is None or int(text) <= highest)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
