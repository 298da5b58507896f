"""Work in a thread that must not wait, such as that of the event loop: it is done at once or not at all.

Work that would have to wait raises WouldWait and is repeated in another thread. Calls that have to wait only after the
work is done, such as a flush to disk, are collected; the caller makes them before it sends the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

TURN_SECONDS = 30.0  # wait for the transactions that are ahead in the queue

Payment = Callable[[], None]


class WouldWait(BaseException):
    """The work would have to wait; nothing was changed. Not an Exception, so that error handlers do not catch it."""


class TakesLong(WouldWait):
    """The work need not wait, but would take too long."""


class _Thread(threading.local):
    owed: list[Payment] | None = None  # deferred calls; None: this thread may wait


_thread = _Thread()


@contextmanager
def in_haste() -> Iterator[list[Payment]]:
    """Forbid this thread to wait inside the block. Yields the list of calls that the caller has to make afterwards."""
    owed: list[Payment] = []
    _thread.owed = owed
    try:
        yield owed
    finally:
        _thread.owed = None


def is_in_haste() -> bool:
    return _thread.owed is not None


def may_wait() -> None:
    """Raise WouldWait in a thread that must not wait. To be called before work that may wait."""
    if _thread.owed is not None:
        raise WouldWait


def may_take_long() -> None:
    """Raise TakesLong in a thread that must not wait. To be called before work that takes long without waiting."""
    if _thread.owed is not None:
        raise TakesLong


def pay(payment: Payment) -> None:
    """Make a call that may wait now, or defer it in a thread that must not wait."""
    if _thread.owed is None:
        payment()
    else:
        _thread.owed.append(payment)


@contextmanager
def holding(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock. Raises sa.exc.TimeoutError after TURN_SECONDS; WouldWait at once in a thread that must not wait."""
    if _thread.owed is not None:
        if not lock.acquire(blocking=False):
            raise WouldWait
    elif not lock.acquire(timeout=TURN_SECONDS):
        raise sa.exc.TimeoutError("another transaction does not end")
    try:
        yield
    finally:
        lock.release()
