"""The schema's history: a readable list, each step a function of one transaction."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from . import identity_tables, keymanager_tables, network_tables, observed_tables
from .tables import SCHEMA, metadata

# Imported so that their tables are in the metadata.
OTHER_TABLES = (identity_tables, keymanager_tables, network_tables, observed_tables)

# What has changed since the first schema that was released (version 1), oldest first: each brings a database of the
# version before it to its own. A new database is made as a whole, and takes no step.
STEPS: tuple[Callable[[sa.Connection], None], ...] = ()
NEWEST = 1 + len(STEPS)


class TooNew(Exception):
    """The database was written by a newer version of this program."""


def upgrade(tx: sa.Connection) -> None:
    """Make the schema, or take the steps that the database has not taken. Raises TooNew."""
    SCHEMA.create(tx, checkfirst=True)
    version = tx.scalar(sa.select(SCHEMA.c.version))
    if version is None:
        metadata.create_all(tx)
        tx.execute(sa.insert(SCHEMA).values(version=NEWEST))
        return
    if version > NEWEST:
        raise TooNew(f"the database has schema version {version}, this program knows {NEWEST}: use a newer one")
    for step in STEPS[version - 1 :]:
        step(tx)
    tx.execute(sa.update(SCHEMA).values(version=NEWEST))
