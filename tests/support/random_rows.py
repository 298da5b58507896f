"""Random rows of any table."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st

from lbclient.store.tables import Json

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=36)
NUMBER = st.integers(-(2**62), 2**62)
VALUES: dict[type, st.SearchStrategy[Any]] = {
    sa.BigInteger: NUMBER,
    sa.Boolean: st.booleans(),
    Json: st.lists(TEXT, max_size=3) | st.dictionaries(TEXT, TEXT | NUMBER, max_size=2),
    sa.Text: TEXT,
}


def row_of(table: sa.Table) -> st.SearchStrategy[dict[str, Any]]:
    """A value for each column."""
    return st.fixed_dictionaries({column.name: value_of(column) for column in table.c})


def value_of(column: sa.Column[Any]) -> st.SearchStrategy[Any]:
    """A value that the column can have."""
    if isinstance(column.type, sa.String) and column.type.length:
        return st.text("0123456789abcdef-", min_size=1, max_size=min(column.type.length, 19))
    found = next(VALUES[kind] for kind in type(column.type).__mro__ if kind in VALUES)
    return found if column.primary_key or not column.nullable else found | st.none()
