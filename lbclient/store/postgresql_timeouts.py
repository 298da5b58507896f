"""PostgreSQL connections with a timeout for answers, because the server or its machine may hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.abc import PQGen

POLL_SECONDS = 0.1


class Silence:
    """A pause after a timeout, in which other requests fail at once instead of timing out one by one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0
        self._lock = threading.Lock()

    def begin(self) -> None:
        with self._lock:
            self._until = time.monotonic() + self._seconds

    @property
    def lasts(self) -> bool:
        return time.monotonic() < self._until


def connector(answer_seconds: float, recovery_seconds: float) -> Callable[..., Any]:
    """Return a handler for SQLAlchemy's `do_connect` whose connections wait at most answer_seconds for an answer.

    After such a timeout, requests and new connections fail at once for recovery_seconds.
    """
    import psycopg  # installed by an extra

    silence = Silence(recovery_seconds)

    class Patient(psycopg.Connection[Any]):
        def wait(self, gen: PQGen[Any], interval: float = POLL_SECONDS, timeout: float | None = None) -> Any:
            """Close the connection if no answer comes, since the outcome of the transaction is unknown."""
            deadline = time.monotonic() + answer_seconds
            if silence.lasts:
                self.close()
                raise psycopg.OperationalError("the database does not answer")
            try:
                return super().wait(gen, interval, answer_seconds if timeout is None else timeout)
            except psycopg.OperationalError:
                if time.monotonic() >= deadline:
                    self.close()
                    silence.begin()
                raise

    def connect(dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> Connection[Any]:
        if silence.lasts:
            raise psycopg.OperationalError("the database does not answer")
        try:
            return Patient.connect(*arguments, **options)
        except psycopg.errors.ConnectionTimeout:
            silence.begin()
            raise

    return connect
