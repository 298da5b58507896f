"""Conversion of times from requests into the format of the columns: UTC, whole seconds."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from ..lists import bounds

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def read(text: str) -> str:
    """Convert an ISO 8601 time into the stored format. Raises ValueError."""
    text = text.strip()
    if not text.isascii() or len(text) > 40:
        raise ValueError("no time")
    if text[-1:] in ("Z", "z"):
        text = f"{text[:-1]}+00:00"
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            time = time.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError("a time that no clock shows") from None
    return time.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


def condition(column: sa.Column[Any], text: str) -> sa.ColumnElement[bool]:
    """Convert a filter such as gt:2026-01-01,lte:2026-02-01, or a plain time, into a condition.

    Raises ValueError or BadRequest.
    """
    wanted = []
    for part in bounds.values(column.name, text.split(",")):
        word, _, rest = part.strip().partition(":")
        if word in COMPARISONS:
            wanted.append(COMPARISONS[word](column, read(rest)))
        else:
            wanted.append(column == read(part))
    return sa.and_(*wanted)
