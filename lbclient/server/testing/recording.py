"""Record the last requests and their answers, with secrets redacted."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

import orjson

KEPT = 1000  # requests
HIDDEN = "***"
SECRET_WORDS = ("password", "secret", "token", "payload", "private_key", "passphrase")

Values = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """One request and its answer."""

    number: int
    at: str  # UTC, with milliseconds
    method: str
    path: str
    query: str
    user_agent: str
    project_id: str | None
    status: int | None  # None: the connection was closed without an answer
    milliseconds: float
    fault: str | None  # the ID of the fault that struck
    request: bytes
    answer: bytes


class Recording:
    """A ring buffer of the last requests. Thread-safe."""

    def __init__(self, kept: int = KEPT) -> None:
        self._numbers = itertools.count(1)
        self._kept: deque[Recorded] = deque(maxlen=kept)
        self._lock = threading.Lock()

    def add(self, **values: Any) -> None:
        """Record a request; its bodies are redacted only when they are shown."""
        with self._lock:
            self._kept.append(Recorded(next(self._numbers), **values))

    def find(self, filters: Mapping[str, str]) -> list[Values]:
        """Return the requests that match all filters, oldest first; path and user_agent are patterns with *."""
        with self._lock:
            kept = list(self._kept)
        return [_shown(each) for each in kept if all(_fits(each, *one) for one in filters.items())]

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


def _shown(recorded: Recorded) -> Values:
    """Return a recorded request with its bodies decoded and redacted."""
    bodies = {"request": _decoded(recorded.request), "answer": _decoded(recorded.answer)}
    return {**asdict(recorded), **bodies}


def _decoded(raw: bytes) -> Any:
    """Return a body as redacted JSON; for another body, only its length, because it may be a secret."""
    if not raw:
        return None
    try:
        return redacted(orjson.loads(raw))
    except ValueError:
        return f"{len(raw)} bytes that are not JSON"


def _fits(recorded: Recorded, name: str, wanted: str) -> bool:
    value = getattr(recorded, name)
    if name in ("path", "user_agent"):
        return fnmatchcase(value, wanted)
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
