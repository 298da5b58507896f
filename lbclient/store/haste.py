"""Work in a thread that must not wait, since others depend on it: it does what it can at once, or nothing.

What would have to wait raises WouldWait, and is done again by a thread that can; what remains to be waited for when all
is done is owed, and paid before anybody is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

TURN_SECONDS = 30.0  # for the transactions before one's own

Payment = Callable[[], None]


class WouldWait(BaseException):
    """Nothing was changed. It is no error: whoever handles those has nothing to do with it."""


class TakesLong(WouldWait):
    """Nothing is waited for, but there is much to be done."""


class _Thread(threading.local):
    owed: list[Payment] | None = None  # None: there is time


_thread = _Thread()


@contextmanager
def in_haste() -> Iterator[list[Payment]]:
    """In here this thread must not wait; what it owes afterwards is in the list."""
    owed: list[Payment] = []
    _thread.owed = owed
    try:
        yield owed
    finally:
        _thread.owed = None


def is_in_haste() -> bool:
    return _thread.owed is not None


def may_wait() -> None:
    """What follows may take its time. Raises WouldWait where there is none."""
    if _thread.owed is not None:
        raise WouldWait


def may_take_long() -> None:
    """What follows is much work, though it waits for nothing. Raises TakesLong where there is no time."""
    if _thread.owed is not None:
        raise TakesLong


def pay(payment: Payment) -> None:
    """Makes a call that may wait: now, or, where there is no time, afterwards."""
    if _thread.owed is None:
        payment()
    else:
        _thread.owed.append(payment)


@contextmanager
def holding(lock: threading.Lock) -> Iterator[None]:
    """The lock, as soon as it is free. Raises WouldWait where it is not and there is no time; sa.exc.TimeoutError."""
    if _thread.owed is not None:
        if not lock.acquire(blocking=False):
            raise WouldWait
    elif not lock.acquire(timeout=TURN_SECONDS):
        raise sa.exc.TimeoutError("another transaction does not end")
    try:
        yield
    finally:
        lock.release()
