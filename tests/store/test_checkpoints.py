"""Checkpoints: commits reach the database file soon, the log stays short, and a closed store ends its thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from lbclient.store import checkpoints
from lbclient.store.store import Store
from lbclient.store.tables import SCHEMA
from running import wait_until


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/state.db")
    made.migrate()
    yield made
    made.close()


def write(store: Store) -> None:
    with store.writing(is_durable=False) as tx:
        tx.execute(sa.update(SCHEMA).values(version=SCHEMA.c.version + 1))


def test_what_is_committed_reaches_the_database_file_soon(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    wait_until(lambda: b"loadbalancer" in file.read_bytes(), 30)
    before = file.read_bytes()
    write(store)
    wait_until(lambda: file.read_bytes() != before, 30)


def test_the_log_stays_short_while_there_are_always_writers(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LONG", 50)
    monkeypatch.setattr(checkpoints, "PAUSE", 0.01)
    for _ in range(2000):
        write(store)
    pages = (tmp_path / "state.db-wal").stat().st_size // 4096
    assert pages < 1800  # 2,000 and more if the log never began again


def test_a_closed_store_has_no_thread_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "PAUSE", 0.0)
    others = set(threading.enumerate())  # of stores of other tests
    for number in range(50):
        made = Store(f"sqlite:///{tmp_path}/{number}.db")
        made.migrate()
        made.close()
    assert not [each for each in threading.enumerate() if each.name == "checkpoints" and each not in others]
