"""Statistics that accumulate across reloads and restarts, although each HAProxy worker starts counting at zero."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ... import files
from .runtime import Row, Rows

Totals = dict[str, int]
Reading = dict[str, Totals]  # by the ID of a listener, a pool or a member

COLUMNS = {"bytes_in": "bin", "bytes_out": "bout", "total_connections": "stot"}
# A listener's errors are those of client requests; others are those of connections to members and of their responses.
ERRORS = {"FRONTEND": ("ereq",)}
OTHER_ERRORS = ("econ", "eresp")
NAMES = (*COLUMNS, "request_errors")
BACKEND_OF = ":"  # between pool and listener in the name of a listener's own backend
ACTIVE = "active_connections"
FILE = "counters.json"
FINAL_COUNTERS = "counted."  # prefix of a file, followed by a worker's PID: its counters just before it was replaced


def reading(rows: Rows) -> Reading:
    """Return the counters of one worker. Those of several backends of a pool, and of its members, are added up."""
    found: Reading = {}
    for (proxy, server), row in rows.items():
        id_ = proxy.partition(BACKEND_OF)[0] if server in ("FRONTEND", "BACKEND") else server
        known = found.setdefault(id_, dict.fromkeys((ACTIVE, *NAMES), 0))
        for name, value in _counted(server, row).items():
            known[name] += value
    return found


def _counted(server: str, row: Row) -> Totals:
    errors = sum(int(row.get(column) or 0) for column in ERRORS.get(server, OTHER_ERRORS))
    return {ACTIVE: int(row["scur"] or 0), "request_errors": errors} | {
        name: int(row[column] or 0) for name, column in COLUMNS.items()
    }


class Counters:
    """The counters of one load balancer, from ended and running workers."""

    def __init__(self, directory: Path) -> None:
        kept = _read(directory / FILE)
        self._directory = directory
        self._finished: Reading = kept.get("finished", {})
        self._live: dict[int, Reading] = {int(pid): each for pid, each in kept.get("live", {}).items()}
        self._ended: set[int] = set(kept.get("ended", []))  # whose final counters have been added

    def live(self) -> dict[int, Reading]:
        """Return the last readings of the workers that were running then, by PID."""
        return dict(self._live)

    def update(self, live: Mapping[int, Reading]) -> None:
        """Replace the readings of running workers; a worker that is not among them any more has ended."""
        for pid, known in self._live.items():
            if pid not in live or _went_back(known, live[pid]):
                self._finish(pid, known)
        self._live = dict(live)

    def has_ended(self) -> bool:
        """Return whether a worker has ended since the last save."""
        return bool(self._ended)

    def hear(self, alive: set[int]) -> None:
        """Add the final counters of workers that started and ended between two readings."""
        for path in self._directory.glob(FINAL_COUNTERS + "*"):
            pid = int(path.suffix[1:])
            if pid in self._ended:
                path.unlink()  # the server was killed after saving the totals but before deleting this file
                self._ended.discard(pid)
            elif pid not in alive and pid not in self._live:
                self._finish(pid, {})

    def totals(self) -> Reading:
        """Return the total counters, and the connections that are open now, by ID."""
        result: Reading = {}
        for each in (self._finished, *self._live.values()):
            for part, counted in each.items():
                known = result.setdefault(part, dict.fromkeys((ACTIVE, *NAMES), 0))
                for name, value in counted.items():
                    known[name] += value
        return result

    def forget(self, parts: set[str]) -> None:
        """Drop the counters of ended workers for all IDs except these."""
        self._finished = {id_: counted for id_, counted in self._finished.items() if id_ in parts}

    def save(self) -> None:
        kept = {"finished": self._finished, "live": self._live, "ended": sorted(self._ended)}
        files.replace(self._directory / FILE, json.dumps(kept), is_durable=False)
        for pid in self._ended:
            (self._directory / f"{FINAL_COUNTERS}{pid}").unlink(missing_ok=True)
        self._ended.clear()

    def _finish(self, pid: int, seen: Reading) -> None:
        """Add the counters of an ended worker: for each, the higher of its last reading and its final counters."""
        words: Reading = _read(self._directory / f"{FINAL_COUNTERS}{pid}")
        self._ended.add(pid)
        for part in {*seen, *words}:
            known = self._finished.setdefault(part, dict.fromkeys(NAMES, 0))
            for name in NAMES:
                known[name] += max(each.get(part, {}).get(name, 0) for each in (seen, words))


def _went_back(before: Reading, after: Reading) -> bool:
    """Return whether a counter decreased: another process has the PID now."""
    name = "total_connections"
    return any(part in after and after[part][name] < counted[name] for part, counted in before.items())


def keep_final_counters(directory: Path, pid: int, rows: Rows) -> None:
    """Save a worker's final counters. Called before a worker is replaced, as it may end before its next reading."""
    path = directory / f"{FINAL_COUNTERS}{pid}"
    path.write_text(json.dumps(reading(rows)))


def _read(path: Path) -> dict[str, Any]:
    """Read a JSON object; {} if the file is missing or holds none. Raises OSError if the file cannot be read."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
