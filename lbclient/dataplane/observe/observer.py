"""The observer: it polls HAProxy and relays, and stores operating statuses and statistics, never desired state."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..applier import State
from ..config.render import ADMIN_SOCKET
from ..control_plane import ControlPlane
from ..haproxy import runtime
from ..haproxy.counters import Reading
from ..reconcile import Reconciler
from ..relay.interface import SOCKET as RELAY_SOCKET
from . import pinger, sums
from .health_events import HealthEvents
from .observation import Observation
from .pinger import Pinger, Target
from .poll import Poll
from .process_exits import ProcessExits
from .schedule import Schedule
from .sums import Full

LOG = logging.getLogger(__name__)
PATIENCE = 2.0  # s for an answer
SOON = 0.5  # s until the next poll after a change
LATER = 3.0  # s, at most, until the next poll after a health event that changes no status
BUSY = 2.0  # s, at most, between two polls while there is traffic
IDLE = 10.0  # s, at most, between two polls without traffic, if there are few load balancers
EACH = 0.03  # s for each load balancer, if there are many: about 33 polls a second, however many are idle
BLIND = 1.0  # s, at most, between two polls if the kernel does not report process exits
GRID = 0.25  # s; times of polls are rounded up to a multiple
KEEP = 1.0  # s between two writes of counters to the store
REST = 1.0  # s until the next attempt after an error of the observer


@dataclass
class _Round:
    """A poll of one load balancer's processes: the reports so far, and how many are missing."""

    state: State
    waiting: list[threading.Event]  # set at the end of the round
    missing: int
    reports: list[runtime.Report] = field(default_factory=list)
    is_late: bool = False  # another poll was requested after it began


class Observer:
    """A thread that polls each HAProxy and relay after health events and exits, on request and at intervals."""

    def __init__(self, control_plane: ControlPlane, directory: Path, reconciler: Reconciler) -> None:
        self._control_plane = control_plane
        self._directory = directory.absolute()
        self._reconciler = reconciler
        self._pinger = Pinger(self._directory, self.wake)
        self._observations: dict[str, Observation] = {}
        self._paces: dict[str, float] = {}
        self._targets: dict[str, list[Target]] = {}
        self._seen: dict[str, State] = {}
        self._uncounted: dict[str, Reading] = {}
        self._full: dict[str, Full] = {}  # of HAProxy processes with many servers
        self._changed: set[str] = set()  # load balancers whose servers have to be polled, whatever their sums are
        self._kept_at = 0.0
        self._under_way: dict[str, _Round] = {}
        self._requested: dict[str, list[threading.Event]] = {}  # set at the end of a poll that has not begun
        self._lock = threading.Lock()
        self._is_over = False
        self._schedule = Schedule(GRID)
        self._selector = selectors.DefaultSelector()
        self._poll = Poll(self._selector, PATIENCE)
        self._process_exits = ProcessExits(self._selector, self._schedule.now)
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._health_events = HealthEvents(self._selector, self._directory, self._observe_changed, self._observe_later)
        self._thread = threading.Thread(target=self._work, name="observe", daemon=True)

    def start(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ, self._woken)
        self._reconciler.on_change(self.wake)
        for id_ in self._reconciler.states():
            self.wake(id_)
        self._thread.start()

    def stop(self) -> None:
        self._is_over = True
        self._wake_thread()
        if self._thread.is_alive():
            self._thread.join()
        self._pinger.stop()
        self._health_events.close()
        self._selector.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def wake(self, loadbalancer_id: str) -> None:
        """Request a poll of a load balancer; may be called from any thread, at any time."""
        with self._lock:
            self._requested.setdefault(loadbalancer_id, [])
        self._wake_thread()

    def observe_now(self, loadbalancer_id: str, seconds: float = PATIENCE) -> None:
        """Poll a load balancer and wait until the results are stored, at most that many seconds."""
        is_done = threading.Event()
        with self._lock:
            self._requested.setdefault(loadbalancer_id, []).append(is_done)
        self._wake_thread()
        is_done.wait(seconds)

    def _wake_thread(self) -> None:
        try:
            self._wake_sender.send(b"!")
        except OSError:
            return  # the thread is being woken already, or has ended

    def _work(self) -> None:
        while not self._is_over:
            try:
                self._turn()
            except Exception:
                LOG.exception("could not observe, will try again")
                time.sleep(REST)
        self._poll.close()
        self._process_exits.close()
        self._keep()

    def _turn(self) -> None:
        """Wait for the next event or deadline, and handle all that are due."""
        for key, _ in self._selector.select(self._rest()):
            _call(key.data)
        now = time.monotonic()
        self._poll.give_up(now)
        for id_ in self._schedule.take(now):
            self._begin(id_)
        if now >= self._kept_at + KEEP:
            self._keep()

    def _rest(self) -> float | None:
        keep = self._kept_at + KEEP if self._uncounted else None
        times = [each for each in (self._schedule.first(), self._poll.deadline(), keep) if each is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _woken(self) -> None:
        self._wake_receiver.recv(4096)
        with self._lock:
            looked_for = list(self._requested)
        for id_ in looked_for:
            self._observe_soon(id_)

    def _observe_soon(self, id_: str) -> None:
        """Poll a load balancer now, and again after SOON: something has changed."""
        self._paces[id_] = SOON
        self._schedule.now(id_)

    def _observe_changed(self, id_: str) -> None:
        self._changed.add(id_)
        self._schedule.now(id_)

    def _observe_later(self, id_: str) -> None:
        self._changed.add(id_)
        self._schedule.at(id_, time.monotonic() + LATER)

    def _begin(self, id_: str) -> None:
        """Begin a poll; if one is already running, have another one follow it."""
        if id_ in self._under_way:
            self._under_way[id_].is_late = True
            return
        with self._lock:
            waiting = self._requested.pop(id_, [])
        try:
            self._ask(id_, waiting)
        except Exception as error:
            _log(id_, error)
            self._under_way.pop(id_, None)
            _release(waiting)
            self._schedule.at(id_, time.monotonic() + REST)

    def _ask(self, id_: str, waiting: list[threading.Event]) -> None:
        state = self._reconciler.state(id_)
        if state is None:
            self._forget(id_)
            _release(waiting)
            return
        if self._seen.get(id_) is not state:
            self._take_state(id_, state)
        round_ = self._under_way[id_] = _Round(state, waiting, len(_asked(state)))
        if self._has_sums(id_, state):
            self._poll.ask(self._directory / id_, ADMIN_SOCKET, sums.QUESTION, partial(self._take_sums, id_, round_))
            return
        self._ask_all(id_, round_)
        if not _asked(state):
            self._end(id_, round_)

    def _ask_all(self, id_: str, round_: _Round) -> None:
        self._changed.discard(id_)
        for name in _asked(round_.state):
            self._poll.ask(self._directory / id_, name, runtime.REPORT, partial(self._take, id_, round_))

    def _has_sums(self, id_: str, state: State) -> bool:
        """Return whether the sums of an HAProxy with many servers can show that nothing has happened."""
        full, observation = self._full.get(id_), self._observations.get(id_)
        return (
            full is not None
            and observation is not None
            and id_ not in self._targets  # what the pinger has found is compared with each server
            and _asked(state) == (ADMIN_SOCKET,)
            and observation.pids == {full.sums.pid}
        )

    def _take_sums(self, id_: str, round_: _Round, answer: str | None) -> None:
        """End the round if the sums are as before or all servers were just polled, else poll all servers."""
        try:
            if self._is_finished(id_, round_, answer):
                return
            self._ask_all(id_, round_)
        except Exception as error:
            _log(id_, error)
            self._under_way.pop(id_, None)
            _release(round_.waiting)
            self._schedule.at(id_, time.monotonic() + REST)

    def _is_finished(self, id_: str, round_: _Round, answer: str | None) -> bool:
        """Return whether the sums are enough, and the round is finished."""
        full = self._full.get(id_)
        now = time.monotonic()
        found = sums.parsed(answer) if answer is not None else None
        if found is None or full is None:
            return False
        is_same = found == full.sums and full.state is round_.state and now < full.at + sums.RARELY
        is_unchanged = is_same and id_ not in self._changed
        is_put_off = not is_unchanged and now < full.next_at and not round_.waiting
        if not (is_unchanged or is_put_off):
            return False
        round_.missing = 0
        self._finish(id_, round_, is_busy=False)
        if is_put_off:
            self._schedule.at(id_, full.next_at)
        return True

    def _keep_sums(self, id_: str, round_: _Round, begun: float) -> None:
        """Keep the sums of a report about many servers for the next poll to compare."""
        full = sums.full(round_.state, round_.reports, begun)
        if full is None:
            self._full.pop(id_, None)
        else:
            self._full[id_] = full

    def _take_state(self, id_: str, state: State) -> None:
        """Adapt to a new state: listen for health events if there are monitors, and update the members to ping."""
        if state.snapshot.healthmonitors:
            self._health_events.watch(id_)
        else:
            self._health_events.forget(id_)
        targets = list(pinger.targets(id_, state.snapshot))
        if targets != self._targets.get(id_, []):
            self._ping(id_, targets)
        self._seen[id_] = state
        is_as_before = state.outcome is not None and state.outcome.how == "nothing"
        self._paces[id_] = self._next_pace(BUSY if is_as_before else SOON)

    def _ping(self, id_: str, targets: list[Target]) -> None:
        """Replace the members of a load balancer that are pinged."""
        self._targets.pop(id_, None)
        if targets:
            self._targets[id_] = targets
        self._pinger.watch(id_, targets)

    def _take(self, id_: str, round_: _Round, answer: str | None) -> None:
        """Take the answer of one process, None if there is none; end the round after the last one."""
        begun = time.monotonic()
        try:
            report = _parsed(id_, answer) if answer is not None else None
        except Exception as error:
            _log(id_, error)
            report = None
        if report is not None:
            round_.reports.append(report)
        round_.missing -= 1
        if round_.missing == 0:
            self._end(id_, round_)
            self._keep_sums(id_, round_, begun)

    def _end(self, id_: str, round_: _Round) -> None:
        """Process the reports of a round and schedule the next poll, also after an error."""
        is_busy = False
        try:
            is_busy = self._count(id_, round_)
        except Exception as error:
            _log(id_, error)
        self._finish(id_, round_, is_busy=is_busy)
        if len(round_.reports) < len(_needed(round_.state)) and round_.state.error is None:
            self._reconciler.requeue(id_)
        for report in round_.reports if id_ in self._targets else ():
            if not self._pinger.reflect(id_, report):
                self._schedule.at(id_, time.monotonic() + SOON)

    def _count(self, id_: str, round_: _Round) -> bool:
        """Process the reports of a round: counters and statuses; return whether there is traffic."""
        observation = self._observations.get(id_)
        if observation is None:
            observation = self._observations[id_] = Observation(id_, self._directory / id_, self._control_plane)
        before = observation.totals
        try:
            observation.take(round_.state, round_.reports, is_silent=len(round_.reports) < len(_needed(round_.state)))
        finally:
            if observation.totals != before:
                self._uncounted[id_] = observation.totals
            self._process_exits.watch(id_, observation.pids)
        return observation.is_busy

    def _finish(self, id_: str, round_: _Round, *, is_busy: bool) -> None:
        self._under_way.pop(id_, None)
        try:
            if round_.is_late:
                self._schedule.now(id_)
            elif _asked(round_.state):
                pace = self._paces.get(id_, SOON)
                self._schedule.at(id_, time.monotonic() + pace)
                self._paces[id_] = self._next_pace(min(pace * 2, BUSY if is_busy else self._idle_interval()))
            if round_.waiting and id_ in self._uncounted:
                self._keep()
        finally:
            _release(round_.waiting)

    def _next_pace(self, usual: float) -> float:
        return min(usual, self._idle_interval() if self._process_exits.is_supported else BLIND)

    def _idle_interval(self) -> float:
        return max(IDLE, EACH * len(self._seen))

    def _forget(self, id_: str) -> None:
        self._seen.pop(id_, None)
        self._full.pop(id_, None)
        self._changed.discard(id_)
        self._observations.pop(id_, None)
        self._paces.pop(id_, None)
        if id_ in self._targets:
            self._ping(id_, [])
        self._health_events.forget(id_)
        self._uncounted.pop(id_, None)
        self._process_exits.watch(id_, ())

    def _keep(self) -> None:
        """Write all new counters to the store, in one transaction."""
        self._kept_at = time.monotonic()
        if self._uncounted:
            self._control_plane.all_counted(self._uncounted)
            self._uncounted = {}


def _call(handler: Callable[[], None]) -> None:
    """Call a handler and log its exceptions, so that they do not affect other handlers."""
    try:
        handler()
    except Exception:
        LOG.exception("could not observe, will try again")


def _log(id_: str, error: Exception) -> None:
    if isinstance(error, OSError):
        LOG.warning("load balancer %s: could not be observed, will be tried again: %s", id_, error)
    else:
        LOG.error("load balancer %s: could not be observed, will be tried again", id_, exc_info=error)


def _release(waiting: list[threading.Event]) -> None:
    for each in waiting:
        each.set()


def _needed(state: State) -> tuple[str, ...]:
    """Return the sockets of the processes that should be running."""
    wanted = state.configuration
    if wanted is None:
        return ()
    return (*((ADMIN_SOCKET,) if wanted.is_proxied else ()), *((RELAY_SOCKET,) if wanted.relay.is_needed else ()))


def _asked(state: State) -> tuple[str, ...]:
    """Return the sockets of the processes that may be running.

    Without a configuration, because it could not be rendered, processes may still run with an earlier one.
    """
    return _needed(state) if state.configuration is not None else (ADMIN_SOCKET, RELAY_SOCKET)


def _parsed(id_: str, text: str) -> runtime.Report | None:
    try:
        return runtime.parse_report(text)
    except runtime.Unreachable as error:
        LOG.warning("load balancer %s: %s", id_, error)
        return None
