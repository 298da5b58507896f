"""Filters by tags: tags, tags-any, not-tags and not-tags-any, each with one or several tags."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

FILTERS = {"tags", "tags-any", "not-tags", "not-tags-any"}


def as_stored(tag: str) -> str:
    """Return a string as it stands in a list that is stored as JSON."""
    return json.dumps(tag, ensure_ascii=False)


def condition(column: sa.ColumnElement[Any], filter_: str, tags: Sequence[Any]) -> sa.ColumnElement[bool]:
    """The condition of one filter on a column with a list; the tags are texts as stored, or parameters for these."""
    each = [holds(column, tag) for tag in tags]
    found = sa.or_(*each) if filter_.endswith("-any") else sa.and_(*each)
    return sa.not_(found) if filter_.startswith("not-") else found


def holds(column: sa.ColumnElement[Any], stored: Any) -> sa.ColumnElement[bool]:
    """The condition that a list stored as JSON contains a string; not LIKE, which ignores case on SQLite alone."""
    text = sa.cast(column, sa.Text)
    return sa.func.coalesce(sa.func.replace(text, stored, "") != text, sa.false())
