"""Reads on the event loop, which must not block: they are done at once or not at all.

A read that would take long raises TakesLong there, and is repeated in another thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TakesLong(BaseException):
    """The work would take too long, or block; nothing was changed. Error handlers for Exception do not catch it."""


class _Thread(threading.local):
    is_limited = False


_thread = _Thread()


@contextmanager
def required() -> Iterator[None]:
    """Forbid this thread to do long work inside the block."""
    _thread.is_limited = True
    try:
        yield
    finally:
        _thread.is_limited = False


def is_required() -> bool:
    return _thread.is_limited


def check_may_take_long() -> None:
    """Raise TakesLong in a thread that must not block. To be called before work that takes long or may block."""
    if _thread.is_limited:
        raise TakesLong
