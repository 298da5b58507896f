"""Writers of an SQLite database: many transactions of one sender delay those of another by one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lbclient.store import fair_lock
from lbclient.store.fair_lock import FairLock
from lbclient.store.store import Store
from running import wait_until


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/state.db")
    made.migrate()
    yield made
    made.close()


def test_senders_take_turns(store: Store) -> None:
    done: list[str] = []
    with queued(store, done) as queue:
        for number in range(4):
            queue("many", f"many {number}")
        queue("other", "other")
        queue("", "data plane")
    assert done == ["many 0", "other", "data plane", "many 1", "many 2", "many 3"]


def test_a_sender_who_has_written_waits_behind_the_others(store: Store) -> None:
    done: list[str] = []
    with queued(store, done) as queue:
        queue("a", "a 0")
        queue("a", "a 1")
        queue("b", "b 0")
        queue("b", "b 1")
    assert done == ["a 0", "b 0", "a 1", "b 1"]


@contextmanager
def queued(store: Store, done: list[str]) -> Iterator[Callable[[str, str], None]]:
    """Yield a function that queues a transaction of a sender, which notes its name; they run when the block ends."""
    threads: list[threading.Thread] = []

    def write(sender: str, name: str) -> None:
        with fair_lock.working_for(sender), store.writing():
            done.append(name)

    def queue(sender: str, name: str) -> None:
        threads.append(threading.Thread(target=write, args=(sender, name)))
        threads[-1].start()
        wait_until(lambda: store.figures.waiting == len(threads), 30)

    with fair_lock.working_for("first"), store.writing():
        yield queue
    for thread in threads:
        thread.join()


def test_who_gives_up_gets_no_turn() -> None:
    lock = FairLock()
    assert lock.acquire(0)
    assert not lock.acquire(0.001)
    lock.release()
    assert lock.acquire(0)
    lock.release()
    assert lock.acquire(0)
