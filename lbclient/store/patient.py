"""Connections to PostgreSQL that do not wait for ever: it may hang, or the machine that it runs on."""

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
    """Whether the database has just let somebody wait in vain: others fail at once then, instead of one by one."""

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
    """A handler of SQLAlchemy's `do_connect`, whose connections wait for an answer no longer than that."""
    import psycopg  # in an extra of its own

    silence = Silence(recovery_seconds)

    class Patient(psycopg.Connection[Any]):
        def wait(self, gen: PQGen[Any], interval: float = POLL_SECONDS, timeout: float | None = None) -> Any:
            """Ends the connection where no answer comes: what becomes of the transaction is not known."""
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
