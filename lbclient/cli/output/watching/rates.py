"""Rates from counters: the difference of two samples divided by the seconds between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ....client import errors
from ....client.api import Api
from ....client.rest import Json
from ....resources import LISTENER, LOADBALANCER, POOL
from ..screen import clean
from ..tree import tree

# Name of a rate -> its counter.
COUNTERS = {
    "connections": "total_connections",
    "requests": "requests",
    "received": "bytes_in",
    "sent": "bytes_out",
    "errors": "request_errors",
}
NOT_OFFERED = (403, 404, 405)  # answers of servers without counters of pools
UP = ("ONLINE", "NO_MONITOR", "DRAINING")


@dataclass(frozen=True)
class Sample:
    """The counters of one object at one time."""

    moment: float
    counters: Json


@dataclass
class Line:
    """The current state of one object; its rates are None until there are two samples."""

    name: str
    state: str
    provisioning: str = ""
    operating: str = ""
    depth: int = 0
    tail: str = ""  # end of the name, shown even if the rest is cut
    active: int | None = None
    response: float | None = None  # milliseconds
    rates: Mapping[str, float | None] = field(default_factory=dict)
    below: list[Line] = field(default_factory=list)


Select = Callable[[], Sequence[Json]]


class Watch:
    """Samples the counters of load balancers and computes their rates."""

    def __init__(self, api: Api, select: Select, *, is_detailed: bool = False) -> None:
        self.is_detailed = is_detailed
        self._api = api
        self._select = select  # returns the current load balancers
        self._before: dict[str, Sample] = {}
        self._parts: Json = {}  # requests and response times of the load balancer that is looked at, by ID
        self._has_performance = True  # an addition, too
        self._counts_pools = True  # an addition to Octavia; False once a server has refused

    def look(self) -> list[Line]:
        """Take a sample and return a line for every load balancer that still exists. Raises errors.Error."""
        now: dict[str, Sample] = {}
        found = []
        for balancer in self._select():
            try:
                found.append(self._balancer(balancer, now))
            except errors.NotFound:  # deleted after it was listed
                continue
        self._before = now
        return found

    def _balancer(self, balancer: Json, now: dict[str, Sample]) -> Line:
        provisioning, operating = (str(balancer.get(f"{kind}_status") or "") for kind in ("provisioning", "operating"))
        name = clean(str(balancer["name"] or balancer["id"]))
        line = Line(name, _state(provisioning, operating), provisioning, operating)
        self._parts = self._performance(balancer["id"])
        self._count(line, balancer["id"], self._api.statistics(LOADBALANCER, balancer["id"]), now)
        if self.is_detailed:
            line.below = list(self._listeners(self._api.status(LOADBALANCER, balancer["id"])["loadbalancer"], now))
        return line

    def _listeners(self, status: Json, now: dict[str, Sample]) -> Iterator[Line]:
        for listener in status.get("listeners", ()):
            node = tree(listener, "listener")
            line = Line(node.label, _state(*node.states), *node.states, depth=1)
            self._count(line, listener["id"], self._api.statistics(LISTENER, listener["id"]), now)
            yield line
            for pool in listener.get("pools", ()):
                yield from self._pool(pool, now)

    def _pool(self, pool: Json, now: dict[str, Sample]) -> Iterator[Line]:
        """Yield a pool with the number of its members that are up, and the members: those that are not with reasons."""
        node = tree(pool, "pool")
        members = [child for child in node.children if child.label.startswith("member ")]
        down = [member for member in members if member.states[1] not in UP]
        words = f"{len(members) - len(down)}/{len(members)} up" if members else "no members"
        line = Line(node.label, _state(*node.states), *node.states, depth=2, tail=words)
        if self._counts_pools:
            self._count_pool(line, pool["id"], now)
        yield line
        ids = [member["id"] for member in pool.get("members", ())]
        for id_, member in zip(ids, members, strict=True):
            if member in down:
                why = f" ({member.reasons[0].removeprefix('last check: ')})" if member.reasons else ""
                yield Line(f"{member.label}{why}", _state(*member.states), *member.states, depth=3)
            elif id_ in self._parts:
                line = Line(member.label, _state(*member.states), *member.states, depth=3)
                self._count(line, id_, {}, now)
                yield line

    def _count_pool(self, line: Line, id_: str, now: dict[str, Sample]) -> None:
        try:
            self._count(line, id_, self._api.statistics(POOL, id_), now)
        except errors.Refused as refusal:
            if refusal.status not in NOT_OFFERED:
                raise
            self._counts_pools = False

    def _performance(self, id_: str) -> Json:
        """Return requests and response times by ID; {} if the server does not offer or does not know them now."""
        if not self._has_performance:
            return {}
        try:
            found = self._api.performance(id_)
        except errors.ServerFailed:
            return {}
        self._has_performance = bool(found)
        return found

    def _count(self, line: Line, id_: str, counters: Json, now: dict[str, Sample]) -> None:
        part = self._parts.get(id_, {})
        now[id_] = Sample(time.monotonic(), {**counters, "requests": part.get("requests")})
        line.response = part.get("response_milliseconds")
        line.active = counters.get("active_connections")
        line.rates = rates(self._before.get(id_), now[id_])


def rates(before: Sample | None, after: Sample) -> dict[str, float | None]:
    """Return the rates per second; None if they are unknown, for instance after counters restarted."""
    found: dict[str, float | None] = {}
    for name, counter in COUNTERS.items():
        new, old = after.counters.get(counter), before.counters.get(counter) if before else None
        if before is None or new is None or old is None or new < old or after.moment <= before.moment:
            found[name] = None
        else:
            found[name] = (new - old) / (after.moment - before.moment)
    return found


def _state(provisioning: str, operating: str) -> str:
    """Return the more informative of the two statuses."""
    return operating if provisioning in ("ACTIVE", "") else provisioning
