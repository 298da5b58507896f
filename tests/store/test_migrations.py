"""Databases of every released schema, brought up to date: they are then as a new one is.

`python tests/store/test_migrations.py VERSION` writes the files of a new version, from the tables as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from lbclient.store import migrations
from lbclient.store.store import Store
from lbclient.store.tables import SCHEMA, metadata

SCHEMAS = Path(__file__).parent / "schemas"
DIALECTS: dict[str, Any] = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}


def statements(dialect: str) -> list[str]:
    """Return the statements that create the tables as they are defined now."""
    found = []
    for table in metadata.sorted_tables:
        found.append(str(CreateTable(table).compile(dialect=DIALECTS[dialect])).strip())
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            found.append(str(CreateIndex(index).compile(dialect=DIALECTS[dialect])).strip())
    return found


def described(store: Store) -> dict[str, Any]:
    """Tables with columns, keys and indexes, as the database tells them."""
    found = sa.inspect(store.engine)
    return {
        table: (
            {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in found.get_columns(table)
            },
            found.get_pk_constraint(table)["constrained_columns"],
            sorted((tuple(index["column_names"]), bool(index["unique"])) for index in found.get_indexes(table)),
            sorted(tuple(each["column_names"]) for each in found.get_unique_constraints(table)),
            sorted((key["referred_table"], tuple(key["constrained_columns"])) for key in found.get_foreign_keys(table)),
        )
        for table in sorted(found.get_table_names())
    }


@pytest.mark.parametrize("version", range(1, migrations.NEWEST + 1))
def test_an_old_database_becomes_like_a_new_one(version: int, empty_database_url: str) -> None:
    """A table that was changed without a step, or a step that forgets something, fails here."""
    old = Store(empty_database_url)
    file = SCHEMAS / f"{version}.{old.engine.dialect.name}.sql"
    with old.writing() as tx:
        for statement in file.read_text(encoding="utf-8").split(";\n"):
            if statement.strip():
                tx.exec_driver_sql(statement)
        tx.execute(sa.insert(SCHEMA).values(version=version, database_id="an old one"))
    old.migrate()
    migrated = described(old)
    with old.writing() as tx:
        metadata.drop_all(tx)
    old.migrate()
    assert migrated == described(old)
    with old.reading() as tx:
        assert tx.scalar(sa.select(SCHEMA.c.version)) == migrations.NEWEST
    old.close()


if __name__ == "__main__":
    for name in DIALECTS:
        (SCHEMAS / f"{sys.argv[1]}.{name}.sql").write_text(";\n".join([*statements(name), ""]), encoding="utf-8")
