"""PING monitors: HAProxy cannot ping, so the server does, and sets the health of members in HAProxy."""

from __future__ import annotations

import heapq
import logging
import os
import queue
import random
import selectors
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...batches import batched
from ...store.records import PoolRecord
from ...store.snapshot import Snapshot
from ..config import backends, cfg, monitors
from ..config.render import ADMIN_SOCKET
from ..haproxy import runtime
from .echoes import Echoes, Full

LOG = logging.getLogger(__name__)
TICK = 0.01  # s, at least, between two batches of echo requests
CATCH_UP = 2.0  # the highest rate of echo requests after a delay, as a multiple of the usual rate
FEWEST = 8  # echo requests that a batch may always have
COMMANDS = 80  # commands in one line to HAProxy, which reads at most 16 kB


@dataclass(frozen=True)
class Target:
    """A member that is pinged."""

    loadbalancer_id: str
    member_id: str
    address: str
    delay: float
    timeout: float
    rise: int
    fall: int
    servers: tuple[tuple[str, str], ...]  # (backend, server)


@dataclass(eq=False)
class Finding:
    """The state of a target: whether it is up, and how many results in a row contradict that."""

    target: Target
    is_up: bool
    against: int = 0
    due: float = 0.0
    token: bytes = b""  # of the request without a reply so far; empty if there is none
    is_watched: bool = True

    def note(self, is_alive: bool) -> bool:
        """Record one result; return whether the target has gone up or down, after rise or fall results in a row."""
        self.token = b""
        self.against = 0 if is_alive == self.is_up else self.against + 1
        if self.against < (self.target.fall if self.is_up else self.target.rise):
            return False
        self.is_up, self.against = is_alive, 0
        return True


class Pinger:
    """A thread that pings members; `reflect` sends the findings to HAProxy.

    Requests are spread over the monitors' delay, so that they do not burden sockets and network all at once. All
    replies received so far are read before any deadline is evaluated: a busy server pings less often, but never marks
    a member down that has answered.

    `watch` and `reflect` are called in one thread; new findings reach the pinger's own thread through a queue.
    """

    def __init__(self, directory: Path, on_change: Callable[[str], None] = lambda loadbalancer_id: None) -> None:
        """Create a pinger; it calls on_change(loadbalancer_id) in its own thread when a member has gone up or down."""
        self._directory = directory
        self._on_change = on_change
        self._targets: dict[str, list[Target]] = {}
        self._findings: dict[str, dict[str, Finding]] = {}  # by load balancer and member
        self._rate = 0.0  # requests per second
        self._new: queue.SimpleQueue[Finding] = queue.SimpleQueue()
        # Used only by the pinger's thread. The heaps use id() of the finding as a tie-breaker.
        self._asked: dict[bytes, Finding] = {}
        self._due: list[tuple[float, int, Finding]] = []
        self._deadlines: list[tuple[float, int, Finding, bytes]] = []
        self._thread: threading.Thread | None = None
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._is_over = False

    def watch(self, loadbalancer_id: str, targets: Sequence[Target]) -> None:
        """Replace the members of a load balancer that are pinged; members that were pinged before keep their state."""
        wanted = {each.member_id: each for each in targets}
        known = self._findings.pop(loadbalancer_id, {})
        for member_id, finding in known.items():
            if member_id in wanted:
                finding.target = wanted[member_id]
            else:
                finding.is_watched = False
        self._rate += _rate(targets) - _rate(self._targets.pop(loadbalancer_id, ()))
        if targets:
            self._targets[loadbalancer_id] = list(targets)
            self._findings[loadbalancer_id] = {id_: each for id_, each in known.items() if each.is_watched}
        if targets and self._thread is None:
            thread = threading.Thread(target=self._work, name="ping", daemon=True)
            thread.start()
            self._thread = thread

    def reflect(self, loadbalancer_id: str, report: runtime.Report) -> bool:
        """Set the health of members in HAProxy where it differs from the findings; return False if that failed."""
        commands = list(self._commands(loadbalancer_id, report))
        return all(self._tell(loadbalancer_id, batch) for batch in batched(commands, COMMANDS))

    def stop(self) -> None:
        self._is_over = True
        self._ring()
        if self._thread is not None:
            self._thread.join()
        self._selector.close()
        os.close(self._bell)

    def _commands(self, loadbalancer_id: str, report: runtime.Report) -> Iterator[str]:
        findings = self._findings.get(loadbalancer_id, {})
        for target in self._targets.get(loadbalancer_id, ()):
            for server in target.servers:
                row = report.rows.get(server)
                if row is None or row["status"].startswith("MAINT"):
                    continue
                is_up = not row["status"].startswith("DOWN")
                finding = findings.get(target.member_id) or self._begin(target, is_up)
                if finding.is_up != is_up:
                    state = "up" if finding.is_up else "down"
                    LOG.info("load balancer %s: member %s is %s: ping", loadbalancer_id, target.member_id, state)
                    yield f"set server {'/'.join(server)} health {state}"

    def _begin(self, target: Target, is_up: bool) -> Finding:
        """Start with the health in HAProxy; send the first request at a random time within the monitor's delay."""
        finding = Finding(target, is_up, due=time.monotonic() + random.uniform(0, target.delay))
        self._findings[target.loadbalancer_id][target.member_id] = finding
        self._new.put(finding)
        self._ring()
        return finding

    def _tell(self, loadbalancer_id: str, commands: Sequence[str]) -> bool:
        try:
            answer = runtime.ask(self._directory / loadbalancer_id, ADMIN_SOCKET, ";".join(commands), patience=1.0)
        except runtime.Unreachable as error:
            LOG.warning("load balancer %s: %s", loadbalancer_id, error)
            return False
        if answer.strip():
            LOG.warning("load balancer %s: %s", loadbalancer_id, answer.strip())
        return True

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    def _work(self) -> None:
        echoes = Echoes(self._selector)
        room = before = 0.0
        while not self._is_over:
            now = before
            try:
                if any(key.fileobj == self._bell for key, _ in self._selector.select(self._rest())):
                    os.eventfd_read(self._bell)
                    self._take_in()
                if self._rate > room:
                    room = self._rate
                    echoes.make_room(int(room))  # for the replies of a second, if this thread is delayed so long
                now = time.monotonic()
                self._turn(echoes, now, now - before)
            except Exception:
                LOG.exception("could not ping, will try again")
            before = now
            time.sleep(TICK)  # replies that arrive in the meantime are read in one batch
        echoes.close()

    def _take_in(self) -> None:
        while not self._new.empty():
            finding = self._new.get()
            self._put(finding, finding.due)

    def _rest(self) -> float | None:
        first = [heap[0][0] for heap in (self._due, self._deadlines) if heap]
        return max(0.0, min(first) - time.monotonic()) if first else None

    def _turn(self, echoes: Echoes, now: float, elapsed: float) -> None:
        """Read the replies received, evaluate the deadlines that have passed, and send the requests that are due."""
        changed = {*self._hear(echoes), *self._judge(now), *self._ask(echoes, now, elapsed)}
        for loadbalancer_id in changed:
            self._on_change(loadbalancer_id)

    def _hear(self, echoes: Echoes) -> Iterator[str]:
        for token in echoes.replies():
            finding = self._asked.pop(token, None)
            if finding is not None and finding.token == token:
                yield from _noted(finding, is_alive=True)

    def _judge(self, now: float) -> Iterator[str]:
        while self._deadlines and self._deadlines[0][0] <= now:
            *_, finding, token = heapq.heappop(self._deadlines)
            if self._asked.pop(token, None) is not None and finding.token == token:
                yield from _noted(finding, is_alive=False)

    def _ask(self, echoes: Echoes, now: float, elapsed: float) -> Iterator[str]:
        """Send the requests that are due, after a delay at CATCH_UP times the usual rate.

        Yields the IDs of load balancers with a member that has gone down because its request could not be sent.
        """
        allowed = max(FEWEST, int(CATCH_UP * self._rate * min(max(elapsed, TICK), 1.0)))
        for finding in self._take(now, allowed):
            target = finding.target
            try:
                finding.token = echoes.send(target.address)
            except Full:
                self._put(finding, now + TICK)
                return
            except OSError:
                yield from _noted(finding, is_alive=False)
            except Exception:
                self._put(finding, now + target.delay)  # a fault here says nothing about the target
                raise
            else:
                self._asked[finding.token] = finding
                deadline = now + target.timeout
                heapq.heappush(self._deadlines, (deadline, id(finding), finding, finding.token))
            following = finding.due + target.delay
            self._put(finding, following if following > now else now + target.delay)

    def _take(self, now: float, allowed: int) -> Iterator[Finding]:
        """Yield the targets that are due, the longest waiting first; defer those whose reply may still arrive."""
        while allowed and self._due and self._due[0][0] <= now:
            _, _, finding = heapq.heappop(self._due)
            if not finding.is_watched:
                continue
            if finding.token:
                self._put(finding, now + TICK)
                continue
            allowed -= 1
            yield finding

    def _put(self, finding: Finding, due: float) -> None:
        finding.due = due
        heapq.heappush(self._due, (due, id(finding), finding))


def _rate(targets: Iterable[Target]) -> float:
    """Return the number of requests per second to these targets."""
    return sum(1 / each.delay for each in targets)


def _noted(finding: Finding, is_alive: bool) -> Iterator[str]:
    """Record a result; yield the load balancer's ID if the member has gone up or down."""
    if finding.note(is_alive) and finding.is_watched:
        yield finding.target.loadbalancer_id


def targets(loadbalancer_id: str, snapshot: Snapshot) -> Iterator[Target]:
    """Yield the members of a load balancer that are to be pinged."""
    pinged = [pool for pool in snapshot.pools if _is_pinged(pool, snapshot)]
    names = _backend_names(snapshot) if pinged else {}
    for pool in pinged:
        monitor = snapshot.healthmonitors[pool.id]
        for member in snapshot.members[pool.id]:
            yield Target(
                loadbalancer_id,
                member.id,
                cfg.address(member.monitor_address or member.address),
                max(monitor.delay, monitors.SHORTEST_DELAY),
                monitor.timeout,
                monitor.max_retries,
                monitors.fall(monitor),
                tuple((name, member.id) for name in names.get(pool.id, ())),
            )


def _is_pinged(pool: PoolRecord, snapshot: Snapshot) -> bool:
    monitor = monitors.of(pool, snapshot)
    return monitor is not None and monitor.type == "PING"


def _backend_names(snapshot: Snapshot) -> dict[str, Iterable[str]]:
    """Return the sorted names of the backends of each pool, by pool ID."""
    found: dict[str, set[str]] = {}
    for each in backends.backends(snapshot).values():
        found.setdefault(each.pool.id, set()).add(each.name)
    return {pool_id: sorted(names) for pool_id, names in found.items()}
