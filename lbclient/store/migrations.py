"""Schema migrations: a list of steps, each a function that takes the transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import sqlalchemy as sa

from . import cluster_tables, identity_tables, keymanager_tables, network_tables, observed_tables, placing, serials
from .tables import SCHEMA, metadata

# Imported so that their tables are in the metadata.
OTHER_TABLES = (cluster_tables, identity_tables, keymanager_tables, network_tables, observed_tables)

# Migrations since the first released schema (version 1), oldest first: each brings a database of the previous version
# to its own. A new database is created with the newest schema and takes no steps.
STEPS: tuple[Callable[[sa.Connection], None], ...] = ()
NEWEST = 1 + len(STEPS)


class Unfit(Exception):
    """The database cannot be brought to the schema of this program; the text says why."""


def upgrade(tx: sa.Connection) -> None:
    """Create the schema, or migrate it to the newest version. Raises Unfit."""
    if is_new(tx):
        metadata.create_all(tx)
        tx.execute(sa.insert(SCHEMA).values(version=NEWEST, database_id=str(uuid.uuid4())))
        serials.prepare(tx)
        placing.add_server(tx)
        return
    version = check_version(tx)
    for step in STEPS[version - 1 :]:
        step(tx)
    _check(tx)
    serials.prepare(tx)
    placing.add_server(tx)
    tx.execute(sa.update(SCHEMA).values(version=NEWEST))


def is_new(tx: sa.Connection) -> bool:
    """Whether the database has no schema yet."""
    return not sa.inspect(tx).has_table(SCHEMA.name)


def check_version(tx: sa.Connection) -> int:
    """Return the version of the schema. Raises Unfit if it is newer than this program."""
    version = tx.scalar(sa.select(SCHEMA.c.version)) or 0
    if version > NEWEST:
        raise Unfit(f"The database has schema version {version}, this program knows {NEWEST}: use a newer one.")
    return version


def _check(tx: sa.Connection) -> None:
    """Check that no column is missing, since requests would fail later. Raises Unfit."""
    found = {
        name: {each["name"] for each in columns} for (_, name), columns in sa.inspect(tx).get_multi_columns().items()
    }
    for table in metadata.sorted_tables:
        missing = [column.name for column in table.columns if column.name not in found.get(table.name, ())]
        if missing:
            raise Unfit(
                f"The database says that it has schema version {NEWEST}, but lacks {table.name}.{missing[0]}: it was "
                "made by a version of this program that was never released, or is damaged; begin with a new one."
            )
