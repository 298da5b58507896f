"""Databases that the store runs on: SQLite within the process, PostgreSQL beyond it. Both behave alike."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

SQLITE_BUSY = 30.0  # seconds that a transaction waits for another one
CONNECTIONS = {"pool_size": 16, "max_overflow": 64}
# What is read first and written later is then right without a lock on each row, as on SQLite. The lock has a number.
BEGIN_WRITING = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(27746)"
# What a power cut may undo need not wait for the disk: what is observed, or settled, would be found again.
FORGETFUL = "SET LOCAL synchronous_commit = off"


def engine(url: str) -> sa.Engine:
    """An engine whose transactions are one consistent view, or the only one that writes."""
    found = sa.make_url(url)
    if found.get_backend_name() == "sqlite":
        return _sqlite(found)
    if found.get_backend_name() == "postgresql":
        return _postgresql(found)
    raise sa.exc.ArgumentError(f"{found.get_backend_name()} is not supported: sqlite:///path or postgresql://…")


def _sqlite(url: sa.URL) -> sa.Engine:
    made = sa.create_engine(url, **CONNECTIONS)
    sa.event.listen(made, "connect", _prepare_sqlite)
    sa.event.listen(made, "begin", _begin_sqlite)
    return made


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver would begin too late
    for pragma in (
        "journal_mode=WAL",
        f"busy_timeout={int(SQLITE_BUSY * 1000)}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later could find the database changed under it, and fail.
    if not _is_writing(connection):
        connection.exec_driver_sql("BEGIN")
        return
    # FULL: an answered write survives a power cut, and with it all that was written before.
    connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if _is_lasting(connection) else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql(url: sa.URL) -> sa.Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    # A server that was started anew has closed what the pool holds.
    made = sa.create_engine(url, isolation_level="REPEATABLE READ", pool_pre_ping=True, **CONNECTIONS)
    sa.event.listen(made, "begin", _begin_postgresql)
    return made


def _begin_postgresql(connection: sa.Connection) -> None:
    if _is_writing(connection):
        connection.exec_driver_sql(BEGIN_WRITING if _is_lasting(connection) else f"{BEGIN_WRITING}; {FORGETFUL}")


def _is_writing(connection: sa.Connection) -> bool:
    return bool(connection.get_execution_options().get("is_writing"))


def _is_lasting(connection: sa.Connection) -> bool:
    return bool(connection.get_execution_options().get("is_lasting", True))
