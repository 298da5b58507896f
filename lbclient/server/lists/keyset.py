"""Order the rows of a list, and continue it behind a marker: the last row that the client has seen.

Null comes before every value on every database; without this rule, SQLite and PostgreSQL differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from ..errors import BadRequest
from . import bounds

PAGE = ("marker", "page_reverse")  # the parameters that say which page of a list is wanted
ASCENDING, DESCENDING = "asc", "desc"

Column = sa.ColumnElement[Any]
Order = Sequence[tuple[Column, bool]]  # columns, and whether each is descending; together they identify a row
Asked = Sequence[tuple[str, str]]  # sort keys, each with its direction


@dataclass(frozen=True)
class Wording:
    """The messages of a service for sort keys that it refuses; they may contain {key} and {direction}."""

    wrong_key: str
    wrong_direction: str
    error: Callable[[str], BadRequest] = BadRequest  # returns the error with a message


def check(asked: Asked, is_key: Callable[[str], bool], wording: Wording) -> None:
    """Check the sort keys of a query, and that none is given twice. Raises BadRequest."""
    bounds.order(key for key, _ in asked)
    for key, direction in asked:
        if not is_key(key):
            raise wording.error(wording.wrong_key.format(key=key))
        if direction not in (ASCENDING, DESCENDING):
            raise wording.error(wording.wrong_direction.format(direction=direction))


def ordered(column: Column, is_down: bool) -> Column:
    """Return the expression to order by."""
    return column.desc().nulls_last() if is_down else column.asc().nulls_first()


def page(found: sa.Select[Any], order: Order, marker: Sequence[Column | None] | None, limit: Any) -> sa.Select[Any]:
    """Return the statement for the first rows, or for those behind a marker.

    `marker` has the values of the marker's row in the columns of the order, as expressions; None for null.
    """
    if marker is not None:
        found = found.where(_behind(order, marker))
    return found.order_by(*(ordered(column, is_down) for column, is_down in order)).limit(limit)


def _behind(order: Order, marker: Sequence[Column | None]) -> sa.ColumnElement[bool]:
    """The condition that a row comes after the marker's row."""
    clauses = []
    equal: list[sa.ColumnElement[bool]] = []
    # One flat OR instead of nested conditions: SQLite's parser has a low limit for nesting.
    for (column, is_down), value in zip(order, marker, strict=True):
        clauses.append(sa.and_(*equal, _is_behind(column, value, is_down)))
        equal.append(column.is_(None) if value is None else column == value)
    return sa.or_(*clauses)


def _is_behind(column: Column, value: Column | None, is_down: bool) -> sa.ColumnElement[bool]:
    if value is None:
        return sa.false() if is_down else column.is_not(None)
    return sa.or_(column < value, column.is_(None)) if is_down else column > value


def link(url: str, query: bounds.Pairs, **page: str) -> str:
    """Return the URL of another page of the list that a query asked for."""
    kept = [(name, value) for name, value in query if name not in PAGE]
    return f"{url}?{urlencode([*kept, *page.items()])}"
