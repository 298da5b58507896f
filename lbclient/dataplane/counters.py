"""Statistics that count on over reloads and restarts: each worker of HAProxy begins at zero."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from .runtime import Rows

Totals = dict[str, int]
Reading = dict[str, Totals]  # by listener ID

COLUMNS = {"bytes_in": "bin", "bytes_out": "bout", "total_connections": "stot", "request_errors": "ereq"}
ACTIVE = "active_connections"
FILE = "counters.json"
LAST = "last.json"  # what a worker had counted just before it was replaced


def reading(rows: Rows) -> Reading:
    """What one worker has counted."""
    return {
        proxy: {name: int(row[column] or 0) for name, column in {ACTIVE: "scur", **COLUMNS}.items()}
        for (proxy, server), row in rows.items()
        if server == "FRONTEND"
    }


class Counters:
    """The counters of one load balancer: of workers that are gone, and of those that live."""

    def __init__(self, finished: Reading | None = None, live: dict[int, Reading] | None = None) -> None:
        self._finished = finished or {}
        self._live = live or {}

    def live(self) -> dict[int, Reading]:
        """The workers that lived when last heard of, and what they said."""
        return dict(self._live)

    def update(self, live: Mapping[int, Reading], last_words: Callable[[int], Reading | None]) -> None:
        """Takes new readings; a worker that is no longer among them has ended."""
        for pid, known in self._live.items():
            if pid not in live or _went_back(known, live[pid]):
                self._finish(last_words(pid) or known)
        self._live = {pid: dict(each) for pid, each in live.items()}

    def totals(self) -> Reading:
        """What has been counted in all, and the connections that are open now."""
        result: Reading = {}
        for each in (self._finished, *self._live.values()):
            for listener, counted in each.items():
                known = result.setdefault(listener, dict.fromkeys((ACTIVE, *COLUMNS), 0))
                for name, value in counted.items():
                    known[name] += value
        return result

    def forget(self, listeners: set[str]) -> None:
        """Drops what ended workers counted for any listener but these."""
        self._finished = {id_: counted for id_, counted in self._finished.items() if id_ in listeners}

    def save(self, directory: Path) -> None:
        text = json.dumps({"finished": self._finished, "live": self._live})
        aside = directory / f"{FILE}.tmp"
        aside.write_text(text)
        aside.replace(directory / FILE)

    @classmethod
    def load(cls, directory: Path) -> Counters:
        """As saved; from zero where nothing, or nothing readable, was."""
        try:
            kept = json.loads((directory / FILE).read_text())
            return cls(kept["finished"], {int(pid): each for pid, each in kept["live"].items()})
        except (OSError, ValueError, KeyError, AttributeError):
            return cls()

    def _finish(self, last: Reading) -> None:
        for listener, counted in last.items():
            known = self._finished.setdefault(listener, {})
            for name in COLUMNS:
                known[name] = known.get(name, 0) + counted[name]


def _went_back(before: Reading, after: Reading) -> bool:
    """Whether another process has got the same pid."""
    name = "total_connections"
    return any(listener in after and after[listener][name] < counted[name] for listener, counted in before.items())


def leave_last_words(directory: Path, pid: int, rows: Rows) -> None:
    """Kept by whoever replaces a worker, since that may end before it is asked again."""
    (directory / LAST).write_text(json.dumps({"pid": pid, "reading": reading(rows)}))


def last_words(directory: Path, pid: int) -> Reading | None:
    try:
        kept = json.loads((directory / LAST).read_text())
        return dict(kept["reading"]) if kept["pid"] == pid else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
