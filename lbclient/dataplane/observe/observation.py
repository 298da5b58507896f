"""The observed state of one load balancer: its counters, and the last report that was stored."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from ..applier import State
from ..control_plane import ControlPlane
from ..haproxy import counters, runtime
from ..haproxy.counters import Counters, Reading
from ..haproxy.runtime import Report, Row
from ..statuses import statuses
from .checks import checks, reasons

LOG = logging.getLogger(__name__)
MISSES = 2  # rounds without an answer before the load balancer's status changes


class Observation:
    """Processing of the reports of one load balancer; changes are written to the store."""

    def __init__(self, id_: str, directory: Path, control_plane: ControlPlane) -> None:
        self._id = id_
        self._directory = directory
        self._control_plane = control_plane
        self._counters = Counters(directory)
        self._told: tuple[State | None, object] = (None, None)
        self._missed = 0
        self.totals: Reading = {}
        self.pids: set[int] = set()  # of all processes with its traffic, including old workers
        self.is_busy = False  # whether anything was counted between the last two reports

    def take(self, state: State, reports: Sequence[Report], *, is_silent: bool) -> None:
        """Process the reports of one round; is_silent means that a process that should be running has not answered."""
        rows = {key: row for report in reports for key, row in report.rows.items()}
        self._missed = self._missed + 1 if is_silent else 0
        self.is_busy = self._count(state, reports)
        if not is_silent or self._missed >= MISSES:
            self._observe(state, rows if reports else None, is_silent)

    def _observe(self, state: State, rows: runtime.Rows | None, is_silent: bool) -> None:
        heard = (is_silent, None if rows is None else [_said(row) for row in rows.values()])
        if self._told[0] is state and self._told[1] == heard:
            return
        found = statuses(state.snapshot, rows, state.error, is_silent)
        checked = checks(state.snapshot, rows) if rows is not None else None
        why = reasons(state.snapshot, checked or {}, found, state.error)
        self._control_plane.observed(self._id, found, checked, why, state.snapshot.loadbalancer.revision)
        self._told = (state, heard)

    def _count(self, state: State, reports: Sequence[Report]) -> bool:
        """Update the counters; return whether any has changed or an old worker is still running."""
        live = {report.pid: counters.reading(report.rows) for report in reports}
        if set(self._counters.live()) != set(live):
            live = {**_of_others(self._directory, self._counters, set(live)), **live}
            self._counters.hear(set(live))
        self._counters.update(live)
        self._counters.forget(set(_parts(state)))
        self.pids = set(live)
        totals = {part: counted for part, counted in self._counters.totals().items() if any(counted.values())}
        is_new = self.totals != totals
        self.totals = totals
        if is_new or self._counters.has_ended():
            self._save()
        return is_new or len(live) > len(reports)

    def _save(self) -> None:
        """Save the counters; log a failure, for example on a full disk: the next change tries again."""
        try:
            self._counters.save()
        except OSError as error:
            if self._directory.exists():  # otherwise it was removed in the meantime
                LOG.warning("load balancer %s: the counters cannot be saved: %s", self._id, error)


def _parts(state: State) -> list[str]:
    snapshot = state.snapshot
    members = [member for pool in snapshot.pools for member in snapshot.members[pool.id]]
    return [each.id for each in (*snapshot.listeners, *snapshot.pools, *members)]


def _said(row: Row) -> tuple[str | None, ...]:
    """Return the columns of a row that statuses and checks depend on."""
    return tuple(row.get(name) for name in ("status", "weight", "uweight", "check_status", "check_code", "last_chk"))


def _of_others(directory: Path, known: Counters, heard: set[int]) -> dict[int, Reading]:
    """Return the readings of old workers that still run, by PID; the last known ones if a worker does not answer."""
    found = {pid: each for pid, each in known.live().items() if pid not in heard and _is_alive(pid, directory)}
    try:
        pids = runtime.old_workers(directory)
    except runtime.Unreachable:
        return found
    for pid in pids:
        with contextlib.suppress(runtime.Unreachable):
            found[pid] = counters.reading(runtime.old_rows(directory, pid))
    return found


def _is_alive(pid: int, directory: Path) -> bool:
    try:
        return os.fsencode(directory) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
