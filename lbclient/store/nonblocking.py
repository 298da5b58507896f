"""Work in a thread that must not block, such as that of the event loop: it is done at once or not at all.

Work that would have to block raises WouldBlock and is repeated in another thread. Calls that block only after the work
is done, such as a flush to disk, are deferred; the caller makes them before it sends the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

LOCK_SECONDS = 30.0  # wait for the transactions that are ahead in the queue

Call = Callable[[], None]


class WouldBlock(BaseException):
    """The work would have to block; nothing was changed. Not an Exception, so that error handlers do not catch it."""


class TakesLong(WouldBlock):
    """The work need not block, but would take too long."""


class _Thread(threading.local):
    deferred: list[Call] | None = None  # None: this thread may block


_thread = _Thread()


@contextmanager
def required() -> Iterator[list[Call]]:
    """Forbid this thread to block inside the block. Yields the list of calls that the caller has to make afterwards."""
    deferred: list[Call] = []
    _thread.deferred = deferred
    try:
        yield deferred
    finally:
        _thread.deferred = None


def is_required() -> bool:
    return _thread.deferred is not None


def check_may_block() -> None:
    """Raise WouldBlock in a thread that must not block. To be called before work that may block."""
    if _thread.deferred is not None:
        raise WouldBlock


def check_may_take_long() -> None:
    """Raise TakesLong in a thread that must not block. To be called before work that takes long without blocking."""
    if _thread.deferred is not None:
        raise TakesLong


def run_or_defer(call: Call) -> None:
    """Make a call that may block now, or defer it in a thread that must not block."""
    if _thread.deferred is None:
        call()
    else:
        _thread.deferred.append(call)


@contextmanager
def holding(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock. Raises sa.exc.TimeoutError after LOCK_SECONDS, or WouldBlock in a thread that must not block."""
    if _thread.deferred is not None:
        if not lock.acquire(blocking=False):
            raise WouldBlock
    elif not lock.acquire(timeout=LOCK_SECONDS):
        raise sa.exc.TimeoutError("another transaction does not end")
    try:
        yield
    finally:
        lock.release()
