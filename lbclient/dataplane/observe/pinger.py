"""PING monitors: HAProxy cannot ping, so that this does, and tells HAProxy what it finds."""

from __future__ import annotations

import logging
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...store.snapshot import Record
from ..config import backends, cfg, monitors
from ..config.render import ADMIN_SOCKET
from ..haproxy import runtime
from . import icmp

LOG = logging.getLogger(__name__)
TOKEN = 16  # bytes that say which question an answer belongs to
REST = 0.05  # s between two looks at what is due


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


@dataclass
class Finding:
    """What is known of a target: whether it is up, and how many answers in a row say otherwise."""

    is_up: bool
    against: int = 0
    due: float = 0.0
    asked: bytes = b""
    deadline: float = 0.0

    def note(self, is_alive: bool, target: Target) -> None:
        """Counts one result; as many against the belief as rise or fall says turn it over."""
        self.asked = b""
        self.against = 0 if is_alive == self.is_up else self.against + 1
        if self.against >= (target.fall if self.is_up else target.rise):
            self.is_up, self.against = is_alive, 0


@dataclass
class Pinger:
    """Pings members in a thread of its own; `reflect` takes the findings to HAProxy."""

    directory: Path
    _targets: dict[tuple[str, str], Target] = field(default_factory=dict)
    _findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None
    _is_over: threading.Event = field(default_factory=threading.Event)

    def watch(self, targets: list[Target]) -> None:
        """Takes the targets as they are now."""
        with self._lock:
            known = {(each.loadbalancer_id, each.member_id): each for each in targets}
            self._targets = known
            self._findings = {key: each for key, each in self._findings.items() if key in known}
        if targets and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="ping", daemon=True)
            self._thread.start()

    def reflect(self, loadbalancer_id: str, report: runtime.Report) -> None:
        """Tells the HAProxy of a load balancer where it believes otherwise."""
        with self._lock:
            for key, target in self._targets.items():
                if target.loadbalancer_id == loadbalancer_id:
                    self._reflect(key, target, report)

    def stop(self) -> None:
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()

    def _reflect(self, key: tuple[str, str], target: Target, report: runtime.Report) -> None:
        for server in target.servers:
            row = report.rows.get(server)
            if row is None or row["status"].startswith("MAINT"):
                continue
            is_up = not row["status"].startswith("DOWN")
            finding = self._findings.setdefault(key, Finding(is_up))
            if finding.is_up != is_up:
                self._tell(target, server, finding.is_up)

    def _tell(self, target: Target, server: tuple[str, str], is_up: bool) -> None:
        state = "up" if is_up else "down"
        LOG.info("load balancer %s: member %s is %s: ping", target.loadbalancer_id, target.member_id, state)
        command = f"set server {'/'.join(server)} health {state}"
        try:
            runtime.ask(self.directory / target.loadbalancer_id, ADMIN_SOCKET, command, patience=1.0)
        except runtime.Unreachable as error:
            LOG.warning("load balancer %s: %s", target.loadbalancer_id, error)

    def _work(self) -> None:
        with selectors.DefaultSelector() as selector:
            sockets = dict(_sockets())
            for each in sockets.values():
                selector.register(each, selectors.EVENT_READ)
            while not self._is_over.is_set():
                for key, _ in selector.select(REST):
                    self._hear(key.fileobj)
                self._judge_and_ask(sockets)
            for each in sockets.values():
                each.close()

    def _judge_and_ask(self, sockets: Mapping[int, socket.socket]) -> None:
        now = time.monotonic()
        with self._lock:
            for key, target in self._targets.items():
                finding = self._findings.get(key)
                if finding is None:
                    continue
                if finding.asked and now >= finding.deadline:
                    finding.note(False, target)
                if not finding.asked and now >= finding.due:
                    self._ask(target, finding, sockets, now)

    def _ask(self, target: Target, finding: Finding, sockets: Mapping[int, socket.socket], now: float) -> None:
        finding.due = now + target.delay
        finding.deadline = now + target.timeout
        finding.asked = secrets.token_bytes(TOKEN)
        family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
        try:
            sockets[family].sendto(icmp.echo(family, finding.asked), (target.address, 0))
        except (OSError, KeyError):
            finding.note(False, target)

    def _hear(self, listening: object) -> None:
        assert isinstance(listening, socket.socket)
        try:
            packet, _ = listening.recvfrom(2048)
        except OSError:
            return
        token = packet[-TOKEN:]
        if not icmp.is_reply(packet, listening):
            return
        with self._lock:
            for key, finding in self._findings.items():
                if finding.asked == token and key in self._targets:
                    finding.note(True, self._targets[key])


def targets(loadbalancer_id: str, snapshot: Record) -> Iterator[Target]:
    """The members of a load balancer that are to be pinged."""
    for pool in snapshot.pools:
        monitor = monitors.of(pool, snapshot)
        if monitor is None or monitor.type != "PING":
            continue
        names = {each.name for each in backends.backends(snapshot).values() if each.pool.id == pool.id}
        for member in snapshot.members[pool.id]:
            yield Target(
                loadbalancer_id,
                member.id,
                cfg.address(member.monitor_address or member.address),
                max(monitor.delay, monitors.SHORTEST_DELAY),
                monitor.timeout,
                monitor.max_retries,
                monitors.fall(monitor),
                tuple((name, member.id) for name in sorted(names)),
            )


def _sockets() -> Iterator[tuple[int, socket.socket]]:
    for family in icmp.FAMILIES:
        try:
            opened = icmp.open_socket(family)
        except OSError:
            continue
        opened.setblocking(False)
        yield family, opened
