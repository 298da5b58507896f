"""All rows of a database as data, and back: for backups and snapshots, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from . import migrations
from .tables import SCHEMA, metadata

assert migrations.OTHER_TABLES  # all tables are in the metadata

Rows = dict[str, list[dict[str, Any]]]


def read(tx: sa.Connection, left_out: Collection[sa.Table] = (SCHEMA,)) -> Rows:
    """The rows of all tables but those that are left out, as one transaction sees them."""
    return {table.name: [dict(row._mapping) for row in tx.execute(sa.select(table))] for table in _tables(left_out)}


def write(tx: sa.Connection, rows: Rows, left_out: Collection[sa.Table] = (SCHEMA,)) -> None:
    """Make these the rows of all tables but those that are left out."""
    tables = _tables(left_out)
    for table in reversed(tables):
        tx.execute(sa.delete(table))
    for table in tables:
        if rows.get(table.name):
            tx.execute(sa.insert(table), rows[table.name])
    if tx.dialect.name == "postgresql":
        _continue_sequences(tx, tables)


def is_empty(tx: sa.Connection) -> bool:
    """Whether no table but that of the schema's version has a row."""
    return not any(tx.execute(sa.select(table).limit(1)).first() for table in _tables((SCHEMA,)))


def _tables(left_out: Collection[sa.Table]) -> list[sa.Table]:
    return [table for table in metadata.sorted_tables if table not in left_out]


def _continue_sequences(tx: sa.Connection, tables: list[sa.Table]) -> None:
    """Let generated numbers go on behind those that were written."""
    for table in tables:
        for column in table.primary_key.columns:
            if isinstance(column.type, sa.Integer) and table.autoincrement_column is column:
                sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
                newest = sa.select(sa.func.coalesce(sa.func.max(column), 1)).scalar_subquery()
                tx.execute(sa.select(sa.func.setval(sequence, newest)))
