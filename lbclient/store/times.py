"""The current time: of this process, as columns keep it, and of the database, which several processes share."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from .prepared import Prepared


def now() -> str:
    """Return the time in UTC and whole seconds, without a zone."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def now_exactly() -> str:
    """Return the time in UTC, with milliseconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


class DatabaseTime(sa.ColumnElement[int]):
    """The time of the database within a statement, in milliseconds since 1970."""

    inherit_cache = True
    type = sa.BigInteger()


@compiles(DatabaseTime, "sqlite")
def _in_sqlite(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


@compiles(DatabaseTime, "postgresql")
def _in_postgresql(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"


_READ = Prepared(sa.select(DatabaseTime().label("now")))


def of_database(tx: sa.Connection) -> int:
    """Return the time of the database, in milliseconds since 1970: the clocks of hosts are never compared."""
    found: int = _READ.scalar(tx)
    return found
