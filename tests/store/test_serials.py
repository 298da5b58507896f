"""Numbers that order rows and events, of several processes on one database whose clocks differ."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from lbclient.store import dump, serials
from lbclient.store.store import Store


@pytest.fixture
def pair(empty_database_url: str) -> Iterator[tuple[Store, Store]]:
    with closing(Store(empty_database_url)) as one, closing(Store(empty_database_url)) as other:
        one.migrate()
        other.migrate()
        yield one, other


@pytest.fixture
def slow_clock(pair: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, this machine's clock is an hour late."""
    if pair[0].engine.dialect.name != "postgresql":
        pytest.skip("for --database=postgresql")
    late = time.time_ns() - 3600 * 10**9
    monkeypatch.setattr(serials.time, "time_ns", lambda: late)


def test_numbers_grow_within_a_transaction_and_from_one_to_the_next(pair: tuple[Store, Store]) -> None:
    found = []
    for store in (*pair, *pair):
        with store.writing() as tx:
            found += [serials.of_row(tx), serials.of_row(tx)]
    assert found == sorted(set(found))


def test_events_are_numbered_in_the_order_of_commits(pair: tuple[Store, Store]) -> None:
    found = []
    for store in (*pair, *pair):
        with store.changing() as tx:
            found += [serials.of_event(tx), serials.of_event(tx)]
    assert found == sorted(set(found))


def test_the_clock_of_a_machine_does_not_matter(pair: tuple[Store, Store], slow_clock: None) -> None:
    now = time.clock_gettime_ns(time.CLOCK_REALTIME)
    one, other = pair
    with one.writing() as tx:
        first = serials.of_row(tx), serials.of_event(tx)
    other.migrate()  # as a process on another machine does at its start
    with other.writing() as tx:
        second = serials.of_row(tx), serials.of_event(tx)
    assert first[0] < second[0]
    assert first[1] < second[1]
    assert first[0] > now - 60 * 10**9


def test_what_comes_after_a_restored_backup_is_newer(pair: tuple[Store, Store]) -> None:
    one, _ = pair
    with one.reading() as tx:
        rows = dump.read(tx)
    with one.writing() as tx:
        dump.write(tx, rows)
        assert serials.of_row(tx) > max(row["serial"] for row in rows["host"])
