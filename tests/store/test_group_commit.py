"""Durable writes are on the disk before they are answered, and share one flush if they wait at the same time."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from lbclient.store.group_commit import GroupCommit
from lbclient.store.store import Store
from lbclient.store.tables import SCHEMA

DEADLINE = 30.0  # s


class Calls:
    """A replacement of fdatasync that records its files and blocks until it is released."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.files: list[str] = []
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.may_end.set()
        self.failure: OSError | None = None
        patch.setattr(os, "fdatasync", self)

    def __call__(self, descriptor: int) -> None:
        self.files.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        self.begun.release()
        assert self.may_end.wait(DEADLINE)
        if self.failure:
            raise self.failure


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(f"sqlite:///{tmp_path}/state.db")
    made.migrate()
    return made


def write(store: Store, is_durable: bool = True) -> None:
    with store.writing(is_durable) as tx:
        tx.execute(sa.update(SCHEMA).values(version=SCHEMA.c.version + 1))


def version(store: Store) -> int:
    with store.reading() as tx:
        return tx.scalar(sa.select(SCHEMA.c.version)) or 0


def test_a_write_that_is_answered_is_on_the_disk(calls: Calls, store: Store, tmp_path: Path) -> None:
    calls.files.clear()
    write(store)
    assert calls.files == [str(tmp_path / "state.db-wal")]
    write(store, is_durable=False)
    assert len(calls.files) == 1


def test_one_call_serves_all_who_have_committed_before_it(calls: Calls, store: Store) -> None:
    before = version(store)
    calls.may_end.clear()
    first = threading.Thread(target=write, args=(store,))
    first.start()
    assert calls.begun.acquire(timeout=DEADLINE)
    calls.files.clear()
    others = [threading.Thread(target=write, args=(store,)) for _ in range(8)]
    for each in others:
        each.start()
    deadline = threading.Event()
    while version(store) < before + 9:  # all have committed, and none holds up the others
        assert not deadline.wait(0.01)
    assert all(each.is_alive() for each in (first, *others))
    calls.may_end.set()
    for each in (first, *others):
        each.join(DEADLINE)
        assert not each.is_alive()
    assert 1 <= len(calls.files) <= 2  # a second one where a thread had committed and not yet asked for the flush


def test_a_disk_that_fails_is_told(calls: Calls, store: Store) -> None:
    calls.failure = OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(sa.exc.OperationalError, match="Input/output error"):
        write(store)
    calls.failure = None
    write(store)


def test_a_log_that_is_in_the_database_already(tmp_path: Path) -> None:
    GroupCommit(tmp_path / "there is none").flush()
