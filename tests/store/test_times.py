"""The time of the database, as a call and within a statement."""

from __future__ import annotations

import time
from contextlib import closing

import sqlalchemy as sa

from lbclient.store import times
from lbclient.store.store import Store


def test_a_call_and_a_statement_read_the_same_clock(database_url: str) -> None:
    with closing(Store(database_url)) as store, store.reading() as tx:
        before = times.of_database(tx)
        within = tx.scalar(sa.select(times.DatabaseTime()))
        after = times.of_database(tx)
    assert isinstance(before, int)
    assert before <= within <= after
    assert abs(before - time.time() * 1000) < 60_000  # milliseconds since 1970; the database is on this machine


def test_the_clock_goes_on_within_a_transaction(database_url: str) -> None:
    """A lease that ends while a transaction waits for a lock has ended."""
    with closing(Store(database_url)) as store, store.reading() as tx:
        first = times.of_database(tx)
        deadline = time.monotonic() + 15
        while times.of_database(tx) == first:
            assert time.monotonic() < deadline
