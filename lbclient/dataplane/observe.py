"""Observing: HAProxy's own word becomes operating statuses and statistics. Never touches what is desired."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..store.store import Store
from . import counters, pinger, poll, runtime
from .counters import Counters, Reading
from .pinger import Pinger
from .reconcile import Reconciler, State
from .render import ADMIN_SOCKET
from .statuses import Statuses, statuses

LOG = logging.getLogger(__name__)
INTERVAL = 0.5  # s: with it, the truth is told within a second of HAProxy's own finding
PATIENCE = 2.0  # s for all answers of a round
MISSES = 2  # silent rounds before a load balancer is said to be down


class Observer:
    """Asks every HAProxy, about twice a second, how it is; has those looked at that do not answer."""

    def __init__(self, store: Store, directory: Path, reconciler: Reconciler) -> None:
        self._store = store
        self._directory = directory.absolute()
        self._reconciler = reconciler
        self._pinger = Pinger(self._directory)
        self._sent: dict[str, tuple[State, Statuses]] = {}
        self._counted: dict[str, tuple[Counters, Reading]] = {}
        self._missed: dict[str, int] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="observe", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pinger.stop()

    def _work(self) -> None:
        while not self._is_over.wait(INTERVAL):
            try:
                self.observe()
            except Exception:
                LOG.exception("could not observe, will try again")

    def observe(self) -> None:
        """One round."""
        states = self._reconciler.states()
        running = {id_: self._directory / id_ for id_ in states if (self._directory / id_).exists()}
        answers = poll.ask_all(running, ADMIN_SOCKET, runtime.REPORT, PATIENCE)
        self._forget(states)
        reports = {id_: report for id_, text in answers.items() if (report := _parsed(id_, text))}
        for id_, state in states.items():
            try:
                self._observe(id_, state, reports.get(id_))
            except FileNotFoundError:
                LOG.debug("load balancer %s: was removed meanwhile", id_)
        snapshots = {id_: state.snapshot for id_, state in states.items()}
        self._pinger.watch([each for id_, it in snapshots.items() for each in pinger.targets(id_, it)], reports)

    def _observe(self, id_: str, state: State, report: runtime.Report | None) -> None:
        is_needed = state.configuration is not None and state.configuration.is_needed
        if report is not None:
            self._missed.pop(id_, None)
            self._count(id_, state, report)
        elif is_needed:
            self._missed[id_] = self._missed.get(id_, 0) + 1
            if state.error is None:
                self._reconciler.restart(id_)
            if self._missed[id_] < MISSES:
                return
        found = statuses(state.snapshot, report.rows if report else None, state.error, is_needed)
        if self._sent.get(id_) != (state, found):
            self._store.observed(id_, found)
            self._sent[id_] = (state, found)

    def _count(self, id_: str, state: State, report: runtime.Report) -> None:
        directory = self._directory / id_
        known, sent = self._counted.get(id_) or (Counters(directory), {})
        live = {report.pid: counters.reading(report.rows)}
        if set(known.live()) - set(live) or known.has_news():
            live |= _of_old_workers(directory, known)
            known.hear(set(live))
        known.update(live)
        known.forget({listener.id for listener in state.snapshot.listeners})
        totals = known.totals()
        if totals != sent or known.has_news():
            known.save()
        if totals != sent:
            self._store.counted(id_, totals)
        self._counted[id_] = (known, totals)

    def _forget(self, states: Mapping[str, State]) -> None:
        kept: tuple[dict[str, Any], ...] = (self._sent, self._counted, self._missed)
        for each in kept:
            for id_ in set(each) - set(states):
                each.pop(id_)


def _of_old_workers(directory: Path, known: Counters) -> dict[int, Reading]:
    """The readings of workers that have been replaced but not ended; those that cannot be read, as last heard of."""
    try:
        pids = runtime.old_workers(directory)
    except runtime.Unreachable:
        return known.live()
    found = {pid: each for pid, each in known.live().items() if pid in pids}
    for pid in pids:
        with contextlib.suppress(runtime.Unreachable):
            found[pid] = counters.reading(runtime.old_rows(directory, pid))
    return found


def _parsed(id_: str, text: str) -> runtime.Report | None:
    try:
        return runtime.parse_report(text)
    except runtime.Unreachable as error:
        LOG.warning("load balancer %s: %s", id_, error)
        return None
