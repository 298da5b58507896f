"""What is stored becomes what runs. Reconciling takes an id and nothing else; safe at any time, however often."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from ..store.snapshot import Snapshot
from ..store.store import Outcome, Store
from . import support
from .config.cfg import Refused
from .config.render import Configuration, Settings, render
from .fair_share import Limits
from .haproxy import binary, process_table
from .haproxy.attachments import Attachment, AttachmentFailed
from .haproxy.process import Applied, Instance
from .statuses import expected
from .work_queue import WorkQueue

LOG = logging.getLogger(__name__)
LOW_PRIORITY_STARTS = 3  # HAProxy processes that are started at once though nobody waits for them
LARGE = 2000  # members from which on a load balancer is no ordinary one
MOST_WORKERS = 32  # most of them only wait for a HAProxy that hangs
RETRY_SECONDS = 5.0  # causes such as a port that another program holds go away by themselves
CRASH_PAUSE = 1.0  # an HAProxy that ends again and again is started no more often than this


class Pace(Protocol):
    """Holds changes back on purpose, for tests of clients."""

    def remaining(self, loadbalancer_id: str) -> float:
        """Seconds until its changes may take effect: 0 for now, infinity until it is woken."""
        ...

    def failure(self, loadbalancer_id: str) -> str | None:
        """Why its changes are to end in ERROR; None where they are not."""
        ...

    @property
    def reported(self) -> Mapping[str, str]:
        """Operating statuses of members that nothing checks, by ID."""
        ...


class Unpaced:
    """Everything takes effect at once."""

    def remaining(self, loadbalancer_id: str) -> float:
        return 0.0

    def failure(self, loadbalancer_id: str) -> str | None:
        return None

    @property
    def reported(self) -> Mapping[str, str]:
        return {}


@dataclass(frozen=True)
class State:
    """What became of a snapshot: its configuration where it could be rendered, and the error if there was one."""

    snapshot: Snapshot
    configuration: Configuration | None
    error: str | None
    applied_at: float
    outcome: Outcome | None = None


class Reconciler:
    """Turns what the store wants into running HAProxy processes, in a few threads."""

    def __init__(
        self,
        store: Store,
        directory: Path,
        haproxy_path: str,
        attachment: Attachment,
        limits: Limits | None = None,
        is_noop: Callable[[str], bool] = lambda provider: False,
        pace: Pace | None = None,
    ) -> None:
        """is_noop(provider) tells that nothing is to run for the load balancers of a provider."""
        self._store = store
        self._directory = directory.absolute()
        self._binary = haproxy_path
        self._attachment = attachment
        self._is_noop = is_noop
        self._settings = Settings(most_files=binary.most_files())
        self._limits = limits or Limits()
        self._queue = WorkQueue(self._limits)
        self._projects: dict[str, str] = {}
        self._states: dict[str, State] = {}
        self._pace = pace or Unpaced()
        self._watchers: list[Callable[[str], None]] = []
        self._threads: list[threading.Thread] = []
        self._hiring = threading.Lock()

    def wake(self, loadbalancer_id: str) -> None:
        """Have a look at this load balancer; from any thread, at any time."""
        self._queue.wake(loadbalancer_id, group=self._project(loadbalancer_id))

    def start(self) -> None:
        """Takes over what runs, starts what does not, and ends what should not."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        instances = self._instances()
        if process_table.forget_ended(self._directory / id_ for id_ in instances):
            # The machine was started anew: most of the time is HAProxy's. Otherwise it is ours, and requests need some.
            self._queue.limit(replace(self._limits, low_priority=LOW_PRIORITY_STARTS))
        roster = self._store.roster()
        self._projects.update((id_, project_id) for id_, project_id, _ in roster)
        for id_, project_id, is_pending in roster:  # those that nobody waits for let all others pass
            self._queue.wake(id_, is_low_priority=not is_pending, group=project_id)
        for id_ in instances:
            self._queue.wake(id_, is_low_priority=True)
        self._hire()

    def on_change(self, tell: Callable[[str], None]) -> None:
        """Call tell(id) after each round of a load balancer, also one that changed nothing."""
        self._watchers.append(tell)

    def stop(self) -> None:
        """Waits for what is under way. The HAProxy processes run on."""
        self._queue.shut_down()
        with self._hiring:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def states(self) -> Mapping[str, State]:
        """The load balancers that were reconciled, by id."""
        return dict(self._states)

    def state(self, loadbalancer_id: str) -> State | None:
        return self._states.get(loadbalancer_id)

    def unsupported(self, snapshot: Snapshot) -> str | None:
        """Why this machine cannot carry it; None where it can."""
        return support.unsupported(snapshot, self._binary)

    def requeue(self, loadbalancer_id: str) -> None:
        """Requeue one whose HAProxy does not answer, unless it is queued or was reconciled within CRASH_PAUSE."""
        state = self._states.get(loadbalancer_id)
        if self._queue.is_absent(loadbalancer_id):
            age = time.monotonic() - state.applied_at if state else CRASH_PAUSE
            self._queue.wake(loadbalancer_id, max(0.0, CRASH_PAUSE - age))

    def instance(self, loadbalancer_id: str) -> Instance:
        return Instance(self._directory / loadbalancer_id, self._binary)

    def _instances(self) -> list[str]:
        """The directories that were made for load balancers."""
        return [each.name for each in self._directory.iterdir() if _is_uuid(each.name)]

    def _project(self, id_: str) -> str | None:
        """The project of a load balancer, as far as it can be told now."""
        found = self._projects.get(id_)
        if found is None:
            try:
                found = self._store.project_of(id_)
            except SQLAlchemyError:
                return None  # it is reconciled all the same, as soon as it can be read
            if found is not None:
                self._projects[id_] = found
        return found

    def _hire(self) -> None:
        """One more worker, where none waits for work: others may be busy for long."""
        with self._hiring:
            if self._queue.has_waiting_worker() or len(self._threads) >= MOST_WORKERS:
                return
            name = f"reconcile-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()

    def _work(self) -> None:
        while (id_ := self._queue.take()) is not None:
            self._hire()
            try:
                self._reconcile(id_)
            except Exception:
                LOG.exception("load balancer %s: could not be reconciled, will be tried again", id_)
                self._queue.wake(id_, RETRY_SECONDS, is_low_priority=True)
            finally:
                self._queue.done(id_)
            for tell in self._watchers:
                try:
                    tell(id_)
                except Exception:
                    LOG.exception("load balancer %s: a watcher could not be notified", id_)

    def _reconcile(self, id_: str) -> None:
        remaining = self._pace.remaining(id_)
        if remaining:
            if math.isfinite(remaining):
                self._queue.wake(id_, remaining)
            return
        failure = self._pace.failure(id_)
        snapshot = self._store.snapshot(id_)
        if snapshot is not None and failure is not None:
            self._fail(id_, snapshot, failure)
            return
        if snapshot is not None and self._is_noop(snapshot.loadbalancer.provider):
            self._settle_noop(id_)
            return
        if snapshot is None or snapshot.is_deleted:
            self._remove(id_, snapshot)
            return
        if self._queue.resize(id_, sum(map(len, snapshot.members.values())) >= LARGE):
            self.wake(id_)  # where it is not in the way of ordinary ones
            return
        previous = self._states.get(id_)
        state = self._apply(id_, snapshot)
        self._states[id_] = state
        expect = partial(expected, snapshot)
        if not _says_the_same(previous, state) and self._store.settle(snapshot, state.error, state.outcome, expect):
            self.wake(id_)
        if state.error is not None:
            self._queue.wake(id_, RETRY_SECONDS, is_low_priority=True)

    def _remove(self, id_: str, snapshot: Snapshot | None) -> None:
        """End what runs for a load balancer that is deleted, or that was never known."""
        self._end(id_)
        LOG.info("load balancer %s: removed", id_)
        if snapshot is not None and self._store.settle(snapshot, None):
            self.wake(id_)
            return
        self._projects.pop(id_, None)
        self._queue.forget(id_)

    def _fail(self, id_: str, snapshot: Snapshot, failure: str) -> None:
        """Leave it in ERROR, as its pace wants it, until it is changed again."""
        is_new = (snapshot.loadbalancer.provisioning_status, snapshot.loadbalancer.fault) != ("ERROR", failure)
        if is_new and self._store.settle(snapshot, failure):
            self.wake(id_)

    def _settle_noop(self, id_: str) -> None:
        """Nothing runs, and all is well: also where its provider was another one before the server was started anew."""
        self._end(id_)
        self._store.settle_noop(id_, self._pace.reported)

    def _end(self, id_: str) -> None:
        """End what runs, and take back its addresses before others can have them."""
        self._states.pop(id_, None)
        self.instance(id_).remove()
        self._attachment.keep_only(id_, ())

    def _apply(self, id_: str, snapshot: Snapshot) -> State:
        configuration = None
        error = None
        outcome = None
        try:
            reason = self.unsupported(snapshot)
            if reason:
                raise Refused(reason)
            configuration = render(snapshot, self._settings)
            if configuration.is_needed:
                self._attachment.prepare(id_, snapshot.addresses)
            outcome = _logged(id_, self.instance(id_).apply(configuration))
            self._attachment.keep_only(id_, snapshot.addresses)
        except (Refused, AttachmentFailed) as refusal:
            error = str(refusal)
        except OSError as failure:
            what = "HAProxy cannot be run" if failure.filename == self._binary else "The system refuses"
            error = f"{what}: {os.strerror(failure.errno or 0)}."
        except Exception as fault:
            error = f"Internal error: {type(fault).__name__}; the server's log has the details."
            LOG.exception("load balancer %s: could not be applied", id_)
        if error is not None:
            self._start_last_good(id_, snapshot)
        if error is not None and error != self._error(id_):
            LOG.warning("load balancer %s: %s", id_, error)
        return State(snapshot, configuration, error, time.monotonic(), outcome)

    def _start_last_good(self, id_: str, snapshot: Snapshot) -> None:
        """Start the last good configuration when the wanted one cannot be applied, also after a reboot."""
        try:
            self._attachment.prepare(id_, snapshot.addresses)
            if self.instance(id_).start_last_good():
                LOG.warning("load balancer %s: started with what it had last", id_)
        except (Refused, AttachmentFailed, OSError) as failure:
            LOG.debug("load balancer %s: what ran last does not run either: %s", id_, failure)

    def _error(self, id_: str) -> str | None:
        state = self._states.get(id_)
        return state.error if state else None


def _says_the_same(previous: State | None, state: State) -> bool:
    """Whether a retry met the same error over the same rows, so that the store has been told already."""
    return (
        previous is not None
        and state.error is not None
        and (previous.error, previous.snapshot.seen) == (state.error, state.snapshot.seen)
    )


def _logged(id_: str, applied: Applied) -> Outcome:
    level = logging.DEBUG if applied.how == "nothing" else logging.INFO
    LOG.log(level, "load balancer %s: %s in %.1f ms", id_, applied.how, applied.milliseconds)
    return Outcome(applied.how, applied.milliseconds)


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
