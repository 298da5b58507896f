"""The health of members of no-op providers, set through the testing API because nothing checks these members."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from ... import files

STATUSES = ("ONLINE", "ERROR", "OFFLINE", "DRAINING", "NO_MONITOR")


class Health:
    """Operating statuses by member, kept in a file. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._statuses: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    @property
    def statuses(self) -> Mapping[str, str]:
        """The operating statuses that were set, by member ID."""
        return self._statuses

    def set(self, member_id: str, status: str | None) -> None:
        """Set the status to report for a member; None restores the default."""
        with self._lock:
            kept = {id_: each for id_, each in self._statuses.items() if id_ != member_id}
            self._keep(kept if status is None else {**kept, member_id: status})

    def replace(self, statuses: Mapping[str, str]) -> None:
        """Replace all statuses by the given ones."""
        with self._lock:
            self._keep(dict(statuses))

    def forget(self, kept: Iterable[str]) -> None:
        """Remove the statuses of all members except the given ones."""
        known = set(kept)
        self.replace({id_: each for id_, each in self._statuses.items() if id_ in known})

    def _keep(self, statuses: dict[str, str]) -> None:
        if statuses != self._statuses:
            files.replace(self._path, json.dumps(statuses))
            self._statuses = statuses
