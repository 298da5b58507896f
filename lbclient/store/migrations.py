"""The schema's history: a readable list, each step a function of one transaction."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from . import identity_tables, keymanager_tables, network_tables
from .tables import SCHEMA, metadata

OTHER_TABLES = (identity_tables, keymanager_tables, network_tables)  # imported so that their tables are in the metadata


class TooNew(Exception):
    """The database was written by a newer version of this program."""


def create(tx: sa.Connection) -> None:
    """0.1: the first schema."""
    metadata.create_all(tx)


STEPS: tuple[Callable[[sa.Connection], None], ...] = (create,)


def upgrade(tx: sa.Connection) -> None:
    """Take the steps that the database has not taken. Raises TooNew."""
    SCHEMA.create(tx, checkfirst=True)
    version = tx.scalar(sa.select(SCHEMA.c.version))
    if version is None:
        tx.execute(sa.insert(SCHEMA).values(version=0))
        version = 0
    if version > len(STEPS):
        raise TooNew(f"the database has schema version {version}, this program knows {len(STEPS)}: use a newer one")
    for step in STEPS[version:]:
        step(tx)
    tx.execute(sa.update(SCHEMA).values(version=len(STEPS)))
