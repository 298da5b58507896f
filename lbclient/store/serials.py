"""Numbers that order rows and events: nanoseconds of this machine with SQLite, sequences of the database in PostgreSQL.

Processes on several machines share a PostgreSQL database, and their clocks differ. A sequence gives each transaction a
block of numbers, so that only the first number of a transaction is asked for.
"""

from __future__ import annotations

import time

import sqlalchemy as sa

from . import prepared

BLOCK = 2**20  # numbers
ROWS, EVENTS = "row_order", "event_order"  # the sequences; their blocks begin where the clock of the first start was
NEXT = "lbclient.serials"  # the key under which a transaction keeps the next number of each kind

_TAKE = f"SELECT nextval('{ROWS}')"
# The lock is held until the end of the transaction. It has to be there before the number is taken.
_TAKE_LOCKED = (
    f"WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock(27747, hashtext('{EVENTS}')) AS it) "
    f"SELECT nextval('{EVENTS}') FROM held"
)


class _Clock:
    """Nanoseconds since 1970, or one more than the last number."""

    def __init__(self) -> None:
        self._last = 0

    def tick(self) -> int:
        """Return the next number; the caller is in the only write transaction."""
        self._last = max(time.time_ns(), self._last + 1)
        return self._last


_clock = _Clock()


def of_row(tx: sa.Connection) -> int:
    """Return a number that orders rows by their creation."""
    return _next(tx, ROWS, _TAKE)


def of_event(tx: sa.Connection) -> int:
    """Return a number that orders events by the commits of their transactions.

    No other transaction gets one until this one has ended.
    """
    return _next(tx, EVENTS, _TAKE_LOCKED)


def forget(tx: sa.Connection) -> None:
    """Forget the block of an earlier transaction on the same connection."""
    tx.info.pop(NEXT, None)


def prepare(tx: sa.Connection) -> None:
    """Create the sequences that PostgreSQL lacks; let existing ones continue after all rows, whose order they are."""
    if tx.dialect.name == "postgresql":
        for name in (ROWS, EVENTS):
            prepared.execute(tx, f"CREATE SEQUENCE IF NOT EXISTS {name} INCREMENT BY {BLOCK}").close()
        proceed(tx)


def proceed(tx: sa.Connection) -> None:
    """Let the sequences continue after rows that were restored from a database with another order, such as SQLite."""
    if tx.dialect.name == "postgresql":
        for name in (ROWS, EVENTS):
            now = {"now": time.time_ns()}
            prepared.execute(tx, f"SELECT setval('{name}', greatest(nextval('{name}'), %(now)s))", now).close()


def _next(tx: sa.Connection, name: str, take: str) -> int:
    if tx.dialect.name != "postgresql":
        return _clock.tick()
    following: dict[str, int] = tx.info.setdefault(NEXT, {})
    number = following.get(name)
    if number is None:
        cursor = prepared.execute(tx, take)
        number = int(cursor.fetchone()[0])
        cursor.close()
    following[name] = number + 1
    return number
