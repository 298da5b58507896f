"""Reconcile stored load balancers with their running processes, by ID alone; safe at any time and idempotent."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from ..store.snapshot import Snapshot
from . import support
from .applier import Applier, Around, State, nothing_around
from .control_plane import ControlPlane
from .fair_share import Limits
from .figures import Figures, Reconciled
from .haproxy import capabilities, process_table
from .haproxy.attachments import Attachment
from .haproxy.unprivileged import User
from .pace import Pace, Unpaced
from .statuses import expected
from .work_queue import WorkQueue

LOG = logging.getLogger(__name__)
LOW_PRIORITY_STARTS = 3  # HAProxy processes started at a time with low priority, after a reboot
LARGE = 2000  # members; a load balancer with at least this many is queued as a large one
MOST_WORKERS = 32  # threads; most of them only wait for an HAProxy that hangs
RETRY_SECONDS = 5.0  # some failures go away by themselves, such as a port in use by another program
LINGERING_PAUSE = 1.0  # seconds until the first attempt to delete servers that had connections; doubled each time
LONGEST_LINGERING_PAUSE = 60.0
RETIRED_PAUSE = 5.0  # seconds between two checks whether processes have ended with their last connections
CRASH_PAUSE = 1.0  # seconds between starts of an HAProxy that keeps ending


class Reconciler:
    """Worker threads that bring HAProxy processes and relays in line with what the control plane wants."""

    def __init__(
        self,
        control_plane: ControlPlane,
        directory: Path,
        haproxy_path: str,
        attachment: Attachment,
        limits: Limits | None = None,
        is_noop: Callable[[str], bool] = lambda provider: False,
        pace: Pace | None = None,
        around: Around = nothing_around,
        user: User | None = None,
    ) -> None:
        """Create a reconciler; is_noop(provider) returns whether load balancers of that provider run no processes.

        Configurations are applied inside a block of around(id, snapshot), which is told how that took effect.
        Processes that face clients become `user`, or keep the user of the server.
        """
        self._control_plane = control_plane
        self._directory = directory.absolute()
        self._binary = haproxy_path
        self._applier = Applier(directory, haproxy_path, attachment, user, around)
        self._is_noop = is_noop
        self._limits = limits or Limits()
        self._queue = WorkQueue(self._limits)
        self._projects: dict[str, str] = {}
        self._states: dict[str, State] = {}
        self._settled: dict[str, Snapshot] = {}  # the last one of each that was settled without an error
        self._lingering: dict[str, float] = {}  # seconds until the next attempt to delete the servers that linger
        self._retired: set[str] = set()  # their processes end with their last connections: another host has the address
        self._pace = pace or Unpaced()
        self._watchers: list[Callable[[str], None]] = []
        self._threads: list[threading.Thread] = []
        self._hiring = threading.Lock()
        self._reconciled = Reconciled()

    def wake(self, loadbalancer_id: str, project_id: str | None = None) -> None:
        """Queue a load balancer for reconciling; may be called from any thread, at any time.

        Its project is looked up unless it is given.
        """
        self._queue.wake(loadbalancer_id, group=project_id or self._project(loadbalancer_id))

    def wake_pending(self) -> None:
        """Queue the load balancers with pending changes that are neither queued nor being reconciled."""
        for id_, project_id, is_pending in self._control_plane.roster():
            if is_pending and self._queue.is_absent(id_):
                self._queue.wake(id_, group=project_id)

    def start(self) -> None:
        """Take over the running processes, start the missing ones and end those that are no longer wanted."""
        instances = self._applier.open()
        if process_table.forget_ended(self._directory / id_ for id_ in instances):
            # Processes have ended while the server was not running, as after a reboot. Starting them takes CPU time of
            # HAProxy rather than of this process, which also serves requests: start more of them at a time.
            self._queue.limit(replace(self._limits, low_priority=LOW_PRIORITY_STARTS))
        roster = self._control_plane.roster()
        self._projects.update((id_, project_id) for id_, project_id, _ in roster)
        for id_, project_id, is_pending in roster:  # pending ones go first
            self._queue.wake(id_, is_low_priority=not is_pending, group=project_id)
        for id_ in instances:
            self._queue.wake(id_, is_low_priority=True)
        self._hire()

    def is_idle(self, loadbalancer_id: str) -> bool:
        """Return whether a load balancer is neither being reconciled nor due."""
        return not self._queue.is_due(loadbalancer_id)

    def on_change(self, tell: Callable[[str], None]) -> None:
        """Register a callback: tell(id) is called after each reconciling of a load balancer, even without a change."""
        self._watchers.append(tell)

    def stop(self) -> None:
        """Shut the queue down and wait for the workers to finish. The HAProxy processes keep running."""
        self._queue.shut_down()
        with self._hiring:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def states(self) -> Mapping[str, State]:
        """Return a copy of the states of all reconciled load balancers, by ID."""
        return dict(self._states)

    def state(self, loadbalancer_id: str) -> State | None:
        return self._states.get(loadbalancer_id)

    def unsupported(self, snapshot: Snapshot) -> str | None:
        """Return why this machine cannot run the load balancer; None if it can."""
        return support.unsupported(snapshot, self._binary)

    def requeue(self, loadbalancer_id: str) -> None:
        """Requeue a load balancer whose HAProxy does not answer, unless it is already queued or being reconciled.

        It is not reconciled again before CRASH_PAUSE has passed since the last time.
        """
        state = self._states.get(loadbalancer_id)
        if self._queue.is_absent(loadbalancer_id):
            age = time.monotonic() - state.applied_at if state else CRASH_PAUSE
            self._queue.wake(loadbalancer_id, max(0.0, CRASH_PAUSE - age))

    def _project(self, id_: str) -> str | None:
        """Return the ID of a load balancer's project; None if it is not known, or cannot be read now."""
        found = self._projects.get(id_)
        if found is None:
            try:
                found = self._control_plane.project_of(id_)
            except SQLAlchemyError:
                return None  # the load balancer is reconciled anyway, once the store can be read
            if found is not None:
                self._projects[id_] = found
        return found

    def _hire(self) -> None:
        """Start another worker if none is waiting for work, up to MOST_WORKERS: the busy ones may take long."""
        with self._hiring:
            if self._queue.has_waiting_worker() or len(self._threads) >= MOST_WORKERS:
                return
            thread = threading.Thread(target=self._work, name=f"reconcile-{len(self._threads)}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system has no more threads: the existing workers go on
                if not self._threads:
                    raise
                LOG.warning("no further worker can be started: %s", error)
                return
            self._threads.append(thread)

    def _work(self) -> None:
        capabilities.withhold()
        while (id_ := self._queue.take()) is not None:
            self._hire()
            begun = time.perf_counter()
            how = "failed"
            try:
                how = self._reconcile(id_)
            except Exception:
                LOG.exception("load balancer %s: could not be reconciled, will be tried again", id_)
                self._queue.wake(id_, RETRY_SECONDS, is_low_priority=True)
            finally:
                self._queue.done(id_)
                self._reconciled.add(how, time.perf_counter() - begun)
            for tell in self._watchers:
                try:
                    tell(id_)
                except Exception:
                    LOG.exception("load balancer %s: a watcher could not be notified", id_)

    def figures(self) -> Figures:
        """Return the counters of reconciles, the lengths of the queue and the number of HAProxy processes."""
        return self._reconciled.figures(*self._queue.lengths(), len(process_table.below(self._directory)))

    def _reconcile(self, id_: str) -> str:
        """Reconcile a load balancer; return how HAProxy took the change, for the metrics."""
        remaining = self._pace.remaining(id_)
        if remaining:
            self._hold_back(id_, remaining)
            return "held back"
        failure = self._pace.failure(id_)
        snapshot = self._control_plane.snapshot(id_, self._settled.get(id_))
        if snapshot is not None and failure is not None:
            self._fail(id_, snapshot, failure)
            return "refused"
        if snapshot is not None and self._is_noop(snapshot.loadbalancer.provider):
            self._settle_noop(id_)
            return "nothing"
        if snapshot is None and self._is_ending(id_):
            return "removed"
        if snapshot is None or snapshot.is_deleted:
            self._remove(id_, snapshot)
            return "removed"
        if self._queue.resize(id_, sum(map(len, snapshot.members.values())) >= LARGE):
            self.wake(id_)  # it is taken again as a large one, without blocking ordinary ones
            return "requeued"
        self._retired.discard(id_)
        previous = self._states.get(id_)
        state = self._applier.apply(id_, snapshot, previous)
        if previous is None or previous.snapshot.unbound != state.snapshot.unbound:
            state = replace(state, snapshot=replace(state.snapshot, touched=None))
        self._states[id_] = state
        expect = partial(expected, state.snapshot)
        if not _says_the_same(previous, state) and self._control_plane.settle(
            state.snapshot, state.error, state.outcome, expect
        ):
            self.wake(id_)
        if state.error is not None or state.snapshot.unbound:
            self._queue.wake(id_, RETRY_SECONDS, is_low_priority=True)
        if state.error is None:
            self._settled[id_] = snapshot
            self._wait_for_lingering(id_, state)
        return "refused" if state.error is not None else state.outcome.how if state.outcome else "nothing"

    def _wait_for_lingering(self, id_: str, state: State) -> None:
        """Try again later to delete servers that still have connections."""
        if state.running is None or not state.running.lingering.since:
            self._lingering.pop(id_, None)
            return
        pause = self._lingering.get(id_, LINGERING_PAUSE)
        self._lingering[id_] = min(2 * pause, LONGEST_LINGERING_PAUSE)
        self._queue.wake(id_, pause, is_low_priority=True)

    def _is_ending(self, id_: str) -> bool:
        """Whether a load balancer that has left this host still has connections here, which its shared address allows.

        Another host has the address by then, and passes their packets on.
        """
        state = self._states.get(id_)
        if state is not None and state.snapshot.is_shared:
            self._states.pop(id_)
            self._applier.retire(id_)
            self._retired.add(id_)
            self._control_plane.released(id_)
            LOG.info("load balancer %s: has left this host, its open connections continue", id_)
        if id_ not in self._retired:
            return False
        if self._applier.is_running(id_):
            self._queue.wake(id_, RETIRED_PAUSE, is_low_priority=True)
            return True
        self._retired.discard(id_)
        return False

    def _remove(self, id_: str, snapshot: Snapshot | None) -> None:
        """End the processes of a load balancer that is deleted or that this host is not to run."""
        self._end(id_)
        LOG.info("load balancer %s: removed", id_)
        if snapshot is None:
            self._control_plane.released(id_)
        if snapshot is not None and self._control_plane.settle(snapshot, None):
            self.wake(id_)
            return
        self._projects.pop(id_, None)
        self._queue.forget(id_)

    def _hold_back(self, id_: str, remaining: float) -> None:
        """Apply no change for the remaining seconds, or until the load balancer is woken if they are infinite."""
        if math.isfinite(remaining):
            self._queue.wake(id_, remaining)
        snapshot = self._control_plane.snapshot(id_, self._settled.get(id_))
        if snapshot is not None:
            self._keep_running(id_, snapshot, None)

    def _keep_running(self, id_: str, snapshot: Snapshot, failure: str | None) -> None:
        """Keep what ran before the change running, also after a crash or a reboot: the change is not applied."""
        if self._is_noop(snapshot.loadbalancer.provider):
            return
        state = self._applier.keep_last_good(id_, snapshot, failure)
        if state is None:
            return
        known = self._states.setdefault(id_, state)  # so that it is observed
        if known.error is not None or known.configuration is None:  # the observer requeues only others
            self._queue.wake(id_, RETRY_SECONDS, is_low_priority=True)

    def _fail(self, id_: str, snapshot: Snapshot, failure: str) -> None:
        """Set the load balancer to ERROR, as its pace demands, until it is changed again."""
        self._keep_running(id_, snapshot, failure)
        is_new = (snapshot.loadbalancer.provisioning_status, snapshot.loadbalancer.fault) != ("ERROR", failure)
        if is_new and self._control_plane.settle(snapshot, failure):
            self.wake(id_)

    def _settle_noop(self, id_: str) -> None:
        """Settle a load balancer of a no-op provider without running anything.

        Processes may still run from before a restart of the server, if its provider was not a no-op one then.
        """
        self._end(id_)
        self._control_plane.settle_noop(id_, self._pace.reported)

    def _end(self, id_: str) -> None:
        """End the processes of a load balancer and detach its addresses, before others can be given them."""
        self._states.pop(id_, None)
        self._settled.pop(id_, None)
        self._lingering.pop(id_, None)
        self._applier.remove(id_)


def _says_the_same(previous: State | None, state: State) -> bool:
    """Return whether a retry ended in the same error over the same rows, which the store already has."""
    return (
        previous is not None
        and (state.error is not None or bool(state.snapshot.unbound))
        and _said(previous) == _said(state)
    )


def _said(state: State) -> tuple[object, ...]:
    return state.error, state.snapshot.failures, state.snapshot.seen
