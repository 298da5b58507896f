"""Sessions of browsers: each has a token, which never leaves this process."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_OF_ONE = 100  # of a user; a further one ends the one that was used the longest time ago
MOST = 10_000  # sessions at a time; a further one ends the one that was used the longest time ago
IDLE_SECONDS = 8 * 3600.0


@dataclass(frozen=True)
class Project:
    """A project that a user may work in."""

    id: str
    name: str


@dataclass(frozen=True)
class Session:
    """The identity and project of a logged-in user."""

    id: str
    headers: dict[str, str]  # that identify the user to the API
    user_id: str
    user_name: str
    project: Project
    projects: tuple[Project, ...]  # all that the user may choose from
    roles: frozenset[str]
    ends_at: float  # time.time() at which the token ends
    csrf_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    notices: list[str] = field(default_factory=list)  # for the next page


class Sessions:
    """The sessions of this server, kept in memory: a restart ends them."""

    def __init__(self, clock: Callable[[], float] = time.time, idle_seconds: float = IDLE_SECONDS) -> None:
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._found: OrderedDict[str, tuple[Session, float]] = OrderedDict()  # with the time of the last use

    @staticmethod
    def new_id() -> str:
        return secrets.token_urlsafe(32)

    def add(self, session: Session) -> None:
        with self._lock:
            self._found[session.id] = (session, self._clock())
            mine = [id_ for id_, (each, _) in self._found.items() if each.user_id == session.user_id]
            if len(mine) > MOST_OF_ONE:
                del self._found[mine[0]]
            if len(self._found) > MOST:
                self._found.popitem(last=False)

    def find(self, id_: str, *, is_use: bool = True) -> Session | None:
        """Return a session that has not ended. A request that a page makes by itself is no use of it."""
        now = self._clock()
        with self._lock:
            session, used_at = self._found.get(id_, (None, 0.0))
            if session is None:
                return None
            if now >= session.ends_at or now - used_at > self._idle_seconds:
                del self._found[id_]
                return None
            if is_use:
                self._found[id_] = (session, now)
                self._found.move_to_end(id_)
            return session

    def remove(self, id_: str) -> Session | None:
        """End a session and return it, if there is one."""
        with self._lock:
            return self._found.pop(id_, (None, 0.0))[0]
