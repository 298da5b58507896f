"""Database engines: SQLite in the process or a PostgreSQL server, set up so that both behave alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from . import nonblocking, postgresql_timeouts, prepared
from .group_commit import GroupCommit

SQLITE_BUSY = 30.0  # seconds that a transaction waits for one of another program
CONNECTIONS: dict[str, Any] = {
    "pool_size": 16,
    "max_overflow": 64,
    "pool_timeout": 5.0,  # seconds
    "pool_use_lifo": True,  # a few connections do most of the work and keep their prepared statements
    "hide_parameters": True,  # they may hold the names of tenants and secrets, and may be megabytes long
}
CONNECT_SECONDS = 3
LOCK_SECONDS = 5.0
STATEMENT_SECONDS = 10.0
ANSWER_SECONDS = 12.0  # wait for PostgreSQL's answer; longer than the time in which it ends a statement itself
RECOVERY_SECONDS = 2.0  # time after such a timeout in which requests fail at once
STATEMENTS = 256  # prepared statements kept per connection
# A plan prepared while a table had few rows would go on scanning the table when it has grown, although it has indices.
# Without them, a scan counts as so expensive that PostgreSQL would compile the plan to machine code first, which takes
# a hundred times as long as a small statement.
PLANS = "-c enable_seqscan=off -c jit=off"
PREPARED_AFTER = 2  # runs of a statement, after which PostgreSQL prepares it; most statements are repeated
# SQLite instructions that a thread that must not block may use: a small request takes hundreds, fifty rows take 2,000.
# The rest of the budget is checked after every EACH instructions.
SHARE, EACH = 8_000, 1_000
# A lock for all writers. Most transactions hold it alone, as on SQLite: reading first and writing later is safe without
# row locks. Changes of load balancers share it, and lock the rows that they depend on. Its number is arbitrary.
READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
BEGIN_WRITING = f"{READ_COMMITTED}; SELECT pg_advisory_xact_lock(27746)"
BEGIN_CHANGING = f"{READ_COMMITTED}; SELECT pg_advisory_xact_lock_shared(27746)"
# Locks by name are held until the end of the transaction. Their space differs from that of the lock above.
LOCK_NAME = "SELECT pg_advisory_xact_lock(27747, hashtext(%(name)s))"
# Observed and settled statuses need not wait for the disk: if a power cut undoes them, they are found again.
NOT_DURABLE = "SET LOCAL synchronous_commit = off"


def engine(url: str) -> sa.Engine:
    """Create an engine for a database URL. Raises sa.exc.ArgumentError unless it is SQLite or PostgreSQL."""
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
    connection.isolation_level = None  # we send BEGIN ourselves: the driver would send it too late
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",  # GroupCommit flushes durable transactions to disk
        "wal_autocheckpoint=0",  # Checkpoints makes them
        f"busy_timeout={int(SQLITE_BUSY * 1000)}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _postgresql(url: sa.URL) -> sa.Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    # pool_pre_ping: a restart of the database server closes the pooled connections.
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
    sa.event.listen(made, "do_connect", postgresql_timeouts.connector(ANSWER_SECONDS, RECOVERY_SECONDS))
    sa.event.listen(made, "connect", _prepare_postgresql)
    return made


def _prepare_postgresql(connection: Any, record: Any) -> None:
    connection.prepared_max = STATEMENTS


def _options(url: sa.URL) -> str:
    """Return the server options of a connection: planner settings and timeouts, then the options from the URL."""
    given = url.query.get("options", "")
    limits = f"-c lock_timeout={int(LOCK_SECONDS * 1000)} -c statement_timeout={int(STATEMENT_SECONDS * 1000)}"
    return " ".join((PLANS, limits, *((given,) if isinstance(given, str) else given)))


def group_commit(engine: sa.Engine) -> GroupCommit | None:
    """Return the group commit of an SQLite file; None if the database flushes commits to disk itself."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    return GroupCommit(Path(engine.url.database))


def begin_reading(connection: sa.Connection) -> None:
    """Begin a read transaction. In PostgreSQL, its view begins with the first statement."""
    if connection.dialect.name == "sqlite":
        _say(connection, "BEGIN")


def end_reading(connection: sa.Connection) -> None:
    """End a read transaction: commit in PostgreSQL, because its driver drops prepared statements at a ROLLBACK."""
    if connection.dialect.name == "postgresql" and not connection.invalidated:
        prepared.commit(connection)


@contextmanager
def limited(connection: sa.Connection) -> Iterator[None]:
    """Limit a read in a thread that must not block to SHARE SQLite instructions. Raises nonblocking.TakesLong."""
    if connection.dialect.name != "sqlite" or not nonblocking.is_required():
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
        raise nonblocking.TakesLong from error
    finally:
        driver.set_progress_handler(None, 0)


def begin_writing(connection: sa.Connection, is_durable: bool, is_shared: bool = False) -> None:
    """Begin a write transaction, the only one unless PostgreSQL lets it be shared."""
    if connection.dialect.name == "postgresql":
        begin = BEGIN_CHANGING if is_shared else BEGIN_WRITING
        _say(connection, begin if is_durable else f"{begin}; {NOT_DURABLE}")
        return
    # IMMEDIATE: otherwise a transaction that reads first and writes later could find the database changed, and fail.
    _say(connection, "BEGIN IMMEDIATE")


def lock(connection: sa.Connection, name: str) -> None:
    """Hold a lock of that name until the end of the transaction; SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        prepared.execute(connection, LOCK_NAME, {"name": name}).close()


def _say(connection: sa.Connection, words: str) -> None:
    prepared.execute(connection, words).close()
