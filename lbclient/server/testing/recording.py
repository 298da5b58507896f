"""Record the last requests and their answers, with secrets redacted."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from ..telemetry.request_log import Line

KEPT = 1000  # requests
HIDDEN = "***"
SECRET_WORDS = ("password", "secret", "token", "payload", "private_key", "passphrase")

Values = dict[str, Any]


class Recorded(NamedTuple):
    """One request and its answer, as every request leaves it; it is formatted when it is shown."""

    number: int
    at: float  # seconds since the epoch
    line: Line
    project_id: str | None
    query: str
    user_agent: str
    fault: str | None  # the ID of the fault that struck
    is_dropped: bool  # whether the connection was closed without an answer
    request: bytes
    answer: bytes

    def shown(self) -> Values:
        """Return the request as the API shows it, without the bodies."""
        at = datetime.fromtimestamp(self.at, timezone.utc).isoformat(timespec="milliseconds")
        return {
            "number": self.number,
            "at": at.removesuffix("+00:00"),
            "method": self.line.method,
            "path": self.line.path,
            "query": self.query,
            "user_agent": self.user_agent,
            "project_id": self.project_id,
            "status": None if self.is_dropped else self.line.status,
            "milliseconds": self.line.milliseconds,
            "fault": self.fault,
        }


class Recording:
    """A ring buffer of the last requests. Thread-safe without a lock: each step is atomic; `find` sorts."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept: deque[tuple[Any, ...]] = deque(maxlen=kept)
        self.number = itertools.count(1).__next__  # returns the number of the next request
        self.add = self._kept.append  # add(values): record a request, a tuple of the attributes of Recorded

    def find(self, filters: Mapping[str, str]) -> list[Values]:
        """Return the requests that match all filters, oldest first; path and user_agent are patterns with *."""
        kept = [Recorded(*values) for values in sorted(self._kept.copy(), key=itemgetter(0))]
        shown = [(each, each.shown()) for each in kept]
        return [
            values | {"request": _decoded(each.request), "answer": _decoded(each.answer)}
            for each, values in shown
            if all(_fits(name, values[name], wanted) for name, wanted in filters.items())
        ]

    def count(self) -> int:
        """Return how many requests are kept."""
        return len(self._kept)

    def clear(self) -> None:
        self._kept.clear()


def _decoded(raw: bytes) -> Any:
    """Return a body as redacted JSON; for another body, only its length, because it may be a secret."""
    if not raw:
        return None
    try:
        return redacted(orjson.loads(raw))
    except ValueError:
        return f"{len(raw)} bytes that are not JSON"


def _fits(name: str, value: Any, wanted: str) -> bool:
    if name in ("path", "user_agent"):
        return fnmatchcase(str(value), wanted)
    return str(value) == wanted


def redacted(value: Any) -> Any:
    """Return a body with its secrets replaced by ***."""
    if isinstance(value, Mapping):
        return {key: HIDDEN if _is_secret(key, each) else redacted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [redacted(each) for each in value]
    return value


def _is_secret(key: str, value: Any) -> bool:
    """Whether the value of a key is a secret: a string, or the token in a login's {"token": {"id": …}}."""
    if key == "token" and isinstance(value, Mapping):
        return "id" in value
    return isinstance(value, str) and any(word in key.lower() for word in SECRET_WORDS) and "_ref" not in key
