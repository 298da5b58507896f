"""Databases that the store runs on: SQLite within the process, PostgreSQL beyond it. Both behave alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from . import haste, patient, prepared
from .group_commit import GroupCommit

SQLITE_BUSY = 30.0  # seconds that a transaction waits for another program's
LOG_PAGES = 1000  # of the write-ahead log; more are taken into the database
WAIT = f"PRAGMA busy_timeout={int(SQLITE_BUSY * 1000)}"
CONNECTIONS: dict[str, Any] = {
    "pool_size": 16,
    "max_overflow": 64,
    "pool_timeout": 5.0,  # seconds
    "pool_use_lifo": True,  # few connections do most of the work, and have its statements ready
    "hide_parameters": True,  # they are what tenants and their secrets are called, and may be megabytes
}
CONNECT_SECONDS = 3
LOCK_SECONDS = 5.0
STATEMENT_SECONDS = 10.0
ANSWER_SECONDS = 12.0  # without a word from PostgreSQL, which should have ended the statement itself
RECOVERY_SECONDS = 2.0  # after that, in which nobody else waits as long
STATEMENTS = 256  # that the database keeps for a connection, ready to run
# A plan that was prepared while a table had few rows would read all of it later; there are indices.
PLANS = "-c enable_seqscan=off"
PREPARED_AFTER = 2  # times that PostgreSQL has run a statement; most come again and again
# Instructions of SQLite that a thread in haste may use: a small request takes hundreds, fifty rows 2,000.
# What is left of them is looked at from time to time.
SHARE, EACH = 8_000, 1_000
# What is read first and written later is then right without a lock on each row, as on SQLite. The lock has a number.
BEGIN_WRITING = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(27746)"
# What a power cut may undo need not wait for the disk: what is observed, or settled, would be found again.
NOT_DURABLE = "SET LOCAL synchronous_commit = off"


def engine(url: str) -> sa.Engine:
    """An engine whose transactions are one consistent view, or the only one that writes."""
    found = sa.make_url(url)
    if found.get_backend_name() == "sqlite":
        return _sqlite(found)
    if found.get_backend_name() == "postgresql":
        return _postgresql(found)
    raise sa.exc.ArgumentError(f"{found.get_backend_name()} is not supported: sqlite:///path or postgresql://…")


def _sqlite(url: sa.URL) -> sa.Engine:
    made = sa.create_engine(url, paramstyle="named", connect_args={"cached_statements": STATEMENTS}, **CONNECTIONS)
    sa.event.listen(made, "connect", _prepare_sqlite)
    return made


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver would begin too late
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",  # what has to last is brought to the disk by group_commit.GroupCommit
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(WAIT)


def _postgresql(url: sa.URL) -> sa.Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    # A server that was started anew has closed what the pool holds.
    made = sa.create_engine(
        url,
        isolation_level="REPEATABLE READ",
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": _options(url),
            "prepare_threshold": PREPARED_AFTER,
        },
        **CONNECTIONS,
    )
    sa.event.listen(made, "do_connect", patient.connector(ANSWER_SECONDS, RECOVERY_SECONDS))
    sa.event.listen(made, "connect", _prepare_postgresql)
    return made


def _prepare_postgresql(connection: Any, record: Any) -> None:
    connection.prepared_max = STATEMENTS


def _options(url: sa.URL) -> str:
    """How PostgreSQL plans, and limits that it holds for a connection itself, before any that the URL sets."""
    given = url.query.get("options", "")
    limits = f"-c lock_timeout={int(LOCK_SECONDS * 1000)} -c statement_timeout={int(STATEMENT_SECONDS * 1000)}"
    return " ".join((PLANS, limits, *((given,) if isinstance(given, str) else given)))


def group_commit(engine: sa.Engine) -> GroupCommit | None:
    """What brings to the disk what was committed; None where the database does so itself."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    return GroupCommit(Path(engine.url.database))


def begin_reading(connection: sa.Connection) -> None:
    """From here on one view of everything; PostgreSQL's begins with the first statement."""
    if connection.dialect.name == "sqlite":
        _say(connection, "BEGIN")


def end_reading(connection: sa.Connection) -> None:
    """End the view. PostgreSQL's driver forgets its prepared statements at a ROLLBACK, which would end it otherwise."""
    if connection.dialect.name == "postgresql" and not connection.invalidated:
        prepared.commit(connection)


@contextmanager
def limited(connection: sa.Connection) -> Iterator[None]:
    """Let a thread in haste do no more than SHARE of SQLite's work in this transaction. Raises haste.TakesLong."""
    if connection.dialect.name != "sqlite" or not haste.is_in_haste():
        yield
        return
    driver: Any = connection.connection.driver_connection
    left = count(SHARE // EACH, -1)
    driver.set_progress_handler(lambda: next(left) <= 0, EACH)
    try:
        yield
    except (sqlite3.OperationalError, sa.exc.OperationalError) as error:
        if next(left) >= 0:
            raise
        raise haste.TakesLong from error
    finally:
        driver.set_progress_handler(None, 0)


def begin_writing(connection: sa.Connection, is_durable: bool) -> None:
    """From here on the only transaction that writes."""
    if connection.dialect.name == "postgresql":
        _say(connection, BEGIN_WRITING if is_durable else f"{BEGIN_WRITING}; {NOT_DURABLE}")
        return
    # SQLite takes its log into the database at the end of a transaction, for which it waits for the disk several times.
    _say(connection, f"PRAGMA wal_autocheckpoint={0 if haste.is_in_haste() else LOG_PAGES}")
    # A transaction that reads first and writes later could find the database changed under it, and fail.
    if not haste.is_in_haste():
        _say(connection, "BEGIN IMMEDIATE")
        return
    _say(connection, "PRAGMA busy_timeout=0")
    try:
        _say(connection, "BEGIN IMMEDIATE")
    except sa.exc.OperationalError:
        raise haste.WouldWait from None  # another program has the database
    finally:
        _say(connection, WAIT)


def checkpoint_log(connection: sa.Connection) -> None:
    """Take SQLite's log into the database, as far as nobody reads it, while others go on."""
    _say(connection, "PRAGMA wal_checkpoint(PASSIVE)")


def _say(connection: sa.Connection, words: str) -> None:
    prepared.execute(connection, words).close()
