"""Listeners, which forward datagrams of clients to members, and the replies back."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from ..ports import sentence
from . import plan
from .flow_log import FlowLog
from .loop import Loop
from .pool import Address, Member, Pool
from .shaping import Traffic

Endpoint = tuple[str, int]  # address, port

BATCH = 64  # datagrams that are read from one socket before it is the next one's turn
LARGEST = 65536
BUFFER = bytearray(LARGEST)
VIEW = memoryview(BUFFER)
# Why a flow has ended, in the traffic log.
IDLE, MEMBER, LISTENER, DENIED, REFUSED, EVICTED = "idle", "member", "listener", "denied", "refused", "evicted"


class CannotListen(Exception):
    """An address or port cannot be bound; the text gives both and the reason."""


@dataclass
class FlowLimit:
    """The number of flows of all listeners together, and its limit."""

    first: Callable[[], None]  # called when the first flow begins
    most: int = 0
    used: int = 0

    def enter(self) -> None:
        self.used += 1
        if self.used == 1:
            self.first()


class Flow:
    """One client on one of a listener's sockets, and the member that serves it."""

    __slots__ = ("began", "bytes_in", "bytes_out", "client", "entrance", "is_logged", "member", "seen", "socket")

    def __init__(self, entrance: socket.socket, client: Address, member: Member, seen: float) -> None:
        self.entrance = entrance
        self.client = client
        self.member = member
        self.seen = self.began = seen
        self.bytes_in = self.bytes_out = 0
        self.is_logged = False
        family = socket.AF_INET6 if ":" in member.address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self.socket.setblocking(False)
            self.socket.connect(member.address)
        except OSError:
            self.socket.close()
            raise


class Listener:
    """The state of a listener: its sockets, its flows in the order of their last datagram, and its counters."""

    def __init__(
        self, wanted: plan.Listener, loop: Loop, flow_limit: FlowLimit, flow_log: FlowLog, traffic: Traffic
    ) -> None:
        self.wanted = wanted
        self.pool: Pool | None = None
        self.flows: OrderedDict[tuple[int, Address], Flow] = OrderedDict()
        self.total = self.most = self.bytes_in = self.bytes_out = self.denied = self.errors = 0
        self._is_flooded = False  # more datagrams of clients wait than one turn reads
        self._loop = loop
        self._flow_limit = flow_limit
        self._traffic = traffic
        self._flow_log = flow_log
        self._sockets: list[socket.socket] = []
        self._allowed: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []

    def take(self, wanted: plan.Listener, pool: Pool | None, sockets: dict[Endpoint, socket.socket]) -> None:
        """Apply a plan; `sockets` are those of the listener's addresses."""
        self.wanted, self.pool = wanted, pool
        self._allowed = [ipaddress.ip_network(each) for each in wanted.allowed]
        for entrance in set(self._sockets) - set(sockets.values()):
            self._leave(entrance)
        for entrance in set(sockets.values()) - set(self._sockets):
            self._loop.watch(entrance.fileno(), partial(self._receive, entrance))
        self._sockets = list(sockets.values())
        self.look()

    def look(self) -> None:
        """End the flows whose member cannot serve them any more, or whose client is not allowed any more."""
        members = {id(each) for each in self.pool.members.values()} if self.pool else set()
        for key, flow in list(self.flows.items()):
            if id(flow.member) not in members or not flow.member.can_serve or not self._is_allowed(flow.client[0]):
                self._end(key, flow, MEMBER if self._is_allowed(flow.client[0]) else DENIED)

    def close(self) -> None:
        for entrance in self._sockets:
            self._leave(entrance)
        self._sockets = []

    def sweep(self) -> None:
        """End the flows that have been silent for too long; they are first in the order."""
        while self.wanted.idle and self.flows:
            key, flow = next(iter(self.flows.items()))
            if self._loop.now - flow.seen < self.wanted.idle:
                return
            self._end(key, flow, IDLE)

    @property
    def is_full(self) -> bool:
        return 0 <= self.wanted.limit <= len(self.flows)

    def _leave(self, entrance: socket.socket) -> None:
        for key, flow in list(self.flows.items()):
            if flow.entrance is entrance:
                self._end(key, flow, LISTENER)
        self._loop.forget(entrance.fileno())

    def _receive(self, entrance: socket.socket) -> None:
        """Forward datagrams of clients to their members."""
        flows, number, now = self.flows, entrance.fileno(), self._loop.now
        self._is_flooded = False
        for _ in range(BATCH):
            try:
                size, client = entrance.recvfrom_into(BUFFER)
            except OSError:
                return
            key = number, client
            flow = flows.get(key) or self._open(key, entrance)
            if flow is None:
                continue
            flows.move_to_end(key)
            flow.seen = now
            if not self._traffic.ingress.admits(size, now):
                self.errors += 1
                continue
            self.bytes_in += size
            flow.bytes_in += size
            flow.member.bytes_in += size
            try:
                flow.socket.send(VIEW[:size])
            except OSError as error:
                self._fail(key, flow, error)
        self._is_flooded = True

    def _answer(self, key: tuple[int, Address], flow: Flow) -> None:
        """Forward one datagram of a member; while datagrams of clients pile up, as many as a turn reads of those.

        Otherwise answers would wait in a growing queue: each turn would read more questions than it forwards answers.
        """
        for _ in range(BATCH if self._is_flooded else 1):
            if not self._answer_one(key, flow):
                return

    def _answer_one(self, key: tuple[int, Address], flow: Flow) -> bool:
        """Forward a datagram of a member to its client; return False if there is none."""
        try:
            size = flow.socket.recv_into(BUFFER)
        except OSError as error:
            self._fail(key, flow, error)
            return False
        self.flows.move_to_end(key)
        flow.seen = self._loop.now
        if not self._traffic.egress.admits(size, flow.seen):
            self.errors += 1
            return True
        self.bytes_out += size
        flow.bytes_out += size
        flow.member.bytes_out += size
        try:
            flow.entrance.sendto(VIEW[:size], flow.client)
        except OSError:
            self.errors += 1  # no route to the client, or a full queue: the datagram is lost, as UDP allows
        return True

    def _open(self, key: tuple[int, Address], entrance: socket.socket) -> Flow | None:
        client = key[1]
        if not self._is_allowed(client[0]):
            self.denied += 1
            return None
        member = self.pool.choose(client, self._loop.now) if self.pool and not self.is_full else None
        if member is None:
            self.errors += 1
            return None
        if self._flow_limit.used >= self._flow_limit.most and not self._evict():
            self.errors += 1
            return None
        try:
            flow = Flow(entrance, client, member, self._loop.now)
        except OSError:
            self.errors += 1
            member.errors += 1
            return None
        self._loop.watch(flow.socket.fileno(), partial(self._answer, key, flow))
        self.flows[key] = flow
        self._flow_limit.enter()
        member.flows += 1
        member.total += 1
        self.total += 1
        flow.is_logged = self.wanted.sampling > 0 and self.total % self.wanted.sampling == 0
        self.most = max(self.most, len(self.flows))
        return flow

    def _evict(self) -> bool:
        """End the longest-silent flow, so that a flood does not lock out new clients; return False if there is none."""
        if not self.flows:
            return False
        self._end(*next(iter(self.flows.items())), EVICTED)
        return True

    def _end(self, key: tuple[int, Address], flow: Flow, why: str) -> None:
        if self.flows.pop(key, None) is None:
            return
        self._loop.forget(flow.socket.fileno())
        flow.socket.close()
        flow.member.flows -= 1
        self._flow_limit.used -= 1
        if self.pool is not None:
            self.pool.prolong(flow.client, flow.member, self._loop.now)
        if flow.is_logged:
            self._log(flow, why)

    def _log(self, flow: Flow, why: str) -> None:
        """Log a flow that has ended, with the time at which it began."""
        lasted = time.monotonic() - flow.began
        values = {
            "ts": round(time.time() - lasted, 3),
            "client": flow.client[0],
            "client_port": flow.client[1],
            "backend": self.wanted.pool_id or "",
            "server": flow.member.wanted.id,
            "bytes_in": flow.bytes_in,
            "bytes_out": flow.bytes_out,
            "milliseconds": round(lasted * 1000),
            "ended": why,
        }
        self._flow_log.write(self.wanted.id, values)

    def _fail(self, key: tuple[int, Address], flow: Flow, error: OSError) -> None:
        """Count an error of a member; if it refuses datagrams, end the flow: the next one may go to another member."""
        if isinstance(error, BlockingIOError):
            return
        self.errors += 1
        flow.member.errors += 1
        if isinstance(error, ConnectionRefusedError):
            self._end(key, flow, REFUSED)

    def _is_allowed(self, host: str) -> bool:
        if not self._allowed:
            return True
        address = ipaddress.ip_address(host.partition("%")[0])
        return any(address in network for network in self._allowed)


def mark(entrance: socket.socket, dscp: int) -> None:
    """Mark the datagrams that a socket sends; DSCP are the upper six bits of the traffic class."""
    is_v6 = entrance.family == socket.AF_INET6
    level, option = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if is_v6 else (socket.IPPROTO_IP, socket.IP_TOS)
    entrance.setsockopt(level, option, dscp << 2)


def open_all(places: Iterable[Endpoint]) -> dict[Endpoint, socket.socket]:
    """Open sockets at all of the endpoints, or at none. Raises CannotListen."""
    opened: dict[Endpoint, socket.socket] = {}
    for address, port in places:
        try:
            opened[address, port] = _opened(address, port)
        except OSError as error:
            for each in opened.values():
                each.close()
            raise CannotListen(sentence(address, port, error)) from error
    return opened


def _opened(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made
