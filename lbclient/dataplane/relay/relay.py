"""The relay as a whole: it applies one plan after another without interrupting flows that may continue."""

from __future__ import annotations

import contextlib
import resource
import socket

from . import plan, report
from .checks import Check
from .flow_log import FlowLog
from .interface import HEALTH_EVENTS_SOCKET
from .listener import Endpoint, FlowLimit, Listener, mark, open_all
from .loop import Loop
from .plan import Plan
from .pool import Member, Pool
from .retained import Retained
from .shaping import Traffic

SWEEP_SECONDS = 0.25
SPARE_FILES = 100  # files for listeners, checks and the control socket


class Relay:
    """The listeners and pools of one load balancer."""

    def __init__(self, loop: Loop) -> None:
        self.plan = Plan()
        self.loop = loop
        self._flow_limit = FlowLimit(self._sweep_later)
        self._traffic = Traffic()
        self._flow_log = FlowLog(loop)
        self._sockets: dict[Endpoint, socket.socket] = {}
        self._listeners: dict[str, Listener] = {}
        self._pools: dict[str, Pool] = {}
        self._past_listeners: Retained[Listener] = Retained()
        self._past_pools: Retained[Pool] = Retained()
        self._checks: dict[tuple[str, str], Check] = {}
        self._health_events = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._health_events.setblocking(False)
        self._is_sweeping = False

    def take(self, wanted: Plan) -> None:
        """Apply a plan. Raises CannotListen, with the previous plan still in effect."""
        opened = open_all(each for each in wanted.binds if each not in self._sockets)
        self._sockets |= opened
        self.plan = wanted
        self._traffic.egress.take(wanted.egress)
        self._traffic.ingress.take(wanted.ingress)
        for entrance in self._sockets.values():
            mark(entrance, wanted.dscp)
        self._flow_limit.most = min(wanted.most_flows, most_files() - SPARE_FILES)
        self._take_pools(wanted)
        self._take_listeners(wanted)
        self._take_checks(wanted)

    def close(self) -> None:
        """End all flows, because the process is ended."""
        for each in self._listeners.values():
            each.close()

    def answer(self, question: str) -> str:
        """Return the answer to `show info`, `show stat`, or both separated by a semicolon."""
        present = self._listeners.values(), self._pools.values()
        past = self._past_listeners, self._past_pools
        said = {
            "show info": lambda: report.info(self.plan.fingerprint, self._flow_limit.used),
            "show stat": lambda: report.stat(report.present(*present), report.past(present[1], *past)),
        }
        return "".join(said[each.strip()]() for each in question.split(";") if each.strip() in said)

    def _take_listeners(self, wanted: Plan) -> None:
        for id_ in set(self._listeners) - {each.id for each in wanted.listeners}:
            gone = self._listeners.pop(id_)
            gone.close()
            self._past_listeners.put(id_, gone)
        for each in wanted.listeners:
            if each.id not in self._listeners:
                known = self._past_listeners.take(each.id) or Listener(
                    each, self.loop, self._flow_limit, self._flow_log, self._traffic
                )
                self._listeners[each.id] = known
            known = self._listeners[each.id]
            places = ((address, each.port) for address in each.addresses)
            known.take(each, self._pools.get(each.pool_id or ""), {place: self._sockets[place] for place in places})
        for place in set(self._sockets) - set(wanted.binds):
            self._sockets.pop(place).close()

    def _take_pools(self, wanted: Plan) -> None:
        for each in wanted.pools:
            known = self._pools.get(each.id) or self._past_pools.take(each.id)
            if known is None:
                self._pools[each.id] = Pool(each)
            else:
                known.take(each)
                self._pools[each.id] = known
        for id_ in set(self._pools) - {each.id for each in wanted.pools}:
            self._past_pools.put(id_, self._pools.pop(id_))

    def _take_checks(self, wanted: Plan) -> None:
        """Start and stop checks; unchanged ones continue, and members without a check are considered up."""
        kept: dict[tuple[str, str], Check] = {}
        for each in wanted.pools:
            pool = self._pools[each.id]
            for member in pool.members.values():
                key = each.id, member.wanted.id
                target = member.wanted.check_address, member.wanted.check_port
                known = self._checks.get(key)
                if known is not None and known.monitor == each.monitor and known.target == target:
                    kept[key] = self._checks.pop(key)
                elif each.monitor is not None:
                    kept[key] = self._check(pool, member, each.monitor)
                else:
                    self._believe(pool, member)
        for gone in self._checks.values():
            gone.stop()
        self._checks = kept

    def _check(self, pool: Pool, member: Member, monitor: plan.Monitor) -> Check:
        return Check(member, monitor, self.loop, lambda: self._look(pool))

    def _believe(self, pool: Pool, member: Member) -> None:
        if not member.is_up:
            member.is_up = True
            self._look(pool)

    def _look(self, pool: Pool) -> None:
        """Update a pool after a change of health, and send the server an event, so that it need not poll often."""
        pool.look()
        with contextlib.suppress(OSError):
            self._health_events.sendto(pool.wanted.id.encode(), HEALTH_EVENTS_SOCKET)
        for each in self._listeners.values():
            if each.pool is pool:
                each.look()

    def _sweep_later(self) -> None:
        """Schedule a sweep, unless there is one. Relays without flows have none, so that they use no CPU time."""
        if not self._is_sweeping:
            self._is_sweeping = True
            self.loop.after(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._is_sweeping = False
        for each in self._listeners.values():
            each.sweep()
        if self._flow_limit.used:
            self._sweep_later()


def most_files() -> int:
    """Raise this process's limit of open files to the hard limit, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard and hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard
