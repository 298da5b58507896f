"""Dump all rows of a database, SQLite or PostgreSQL, and load them again: for backups and snapshots."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from . import migrations, serials
from .cluster_tables import HOST
from .tables import SCHEMA, metadata

assert migrations.OTHER_TABLES  # the import puts all tables into the metadata

Rows = dict[str, list[dict[str, Any]]]


def read(tx: sa.Connection, left_out: Collection[sa.Table] = (SCHEMA,)) -> Rows:
    """Return the rows of all tables except those left out, as one transaction sees them."""
    return {table.name: [dict(row._mapping) for row in tx.execute(sa.select(table))] for table in _tables(left_out)}


def write(tx: sa.Connection, rows: Rows, left_out: Collection[sa.Table] = (SCHEMA,)) -> None:
    """Replace the rows of all tables except those left out."""
    tables = _tables(left_out)
    for table in reversed(tables):
        tx.execute(sa.delete(table))
    for table in tables:
        if rows.get(table.name):
            tx.execute(sa.insert(table), rows[table.name])
    if tx.dialect.name == "postgresql":
        _continue_sequences(tx, tables)
        serials.proceed(tx)


def fits(rows: Any) -> bool:
    """Whether these can be the rows of all tables: a mapping of table names to lists of rows with known columns."""
    known = {table.name: set(table.columns.keys()) for table in metadata.sorted_tables}
    return isinstance(rows, dict) and all(
        name in known
        and isinstance(found, list)
        and all(isinstance(row, dict) and row.keys() <= known[name] for row in found)
        for name, found in rows.items()
    )


def is_empty(tx: sa.Connection) -> bool:
    """Whether all tables are empty except those that have rows in every new database: schema version and hosts."""
    return not any(tx.execute(sa.select(table).limit(1)).first() for table in _tables((SCHEMA, HOST)))


def _tables(left_out: Collection[sa.Table]) -> list[sa.Table]:
    return [table for table in metadata.sorted_tables if table not in left_out]


def _continue_sequences(tx: sa.Connection, tables: list[sa.Table]) -> None:
    """Let generated numbers continue after the highest ones that were written."""
    for table in tables:
        for column in table.primary_key.columns:
            if isinstance(column.type, sa.Integer) and table.autoincrement_column is column:
                sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
                newest = sa.select(sa.func.coalesce(sa.func.max(column), 1)).scalar_subquery()
                tx.execute(sa.select(sa.func.setval(sequence, newest)))
