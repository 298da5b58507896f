"""The current time, as columns keep it."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> str:
    """Return the time in UTC and whole seconds, without a zone."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def now_exactly() -> str:
    """Return the time in UTC, with milliseconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
