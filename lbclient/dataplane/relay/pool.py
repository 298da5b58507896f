"""Pools, which choose the member for each new flow."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from . import plan
from .retained import Retained

Address = tuple[str, int] | tuple[str, int, int, int]  # addresses of sockets: IPv4, IPv6
MOST_SESSIONS = 100_000  # beyond that, the oldest sessions are dropped
NOBODY = plan.Member("", "", 0, 0, False, False, "", 0)


class Member:
    """The state of a member: its health and its counters."""

    def __init__(self, wanted: plan.Member) -> None:
        self.wanted = wanted
        self.is_up = True
        self.since = time.monotonic()
        self.share = 0  # its current weight in the smooth weighted round robin
        self.flows = 0
        self.total = self.bytes_in = self.bytes_out = self.errors = 0
        self.failures = self.downs = 0
        self.check_status = self.check_said = ""
        self.check_milliseconds = 0

    def add(self, other: Member) -> None:
        """Add the counters of another member."""
        self.total += other.total
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out
        self.errors += other.errors

    @property
    def address(self) -> tuple[str, int]:
        return self.wanted.address, self.wanted.port

    @property
    def can_serve(self) -> bool:
        """Whether its existing flows may continue."""
        return self.is_up and self.wanted.is_enabled


class Pool:
    """The members of a pool, their counters and the clients' sessions."""

    def __init__(self, wanted: plan.Pool) -> None:
        self.members: dict[str, Member] = {}
        self.left: Retained[Member] = Retained()
        self.forgotten = Member(NOBODY)
        self._sessions: OrderedDict[int, tuple[str, float]] = OrderedDict()
        self._choices: list[Member] = []
        self.wanted = wanted
        self.take(wanted)

    def take(self, wanted: plan.Pool) -> None:
        previous, self.wanted = self.wanted, wanted
        before = dict(self.members)
        self.members = {}
        for each in wanted.members:
            known = self.members[each.id] = self._found(each, before)
            if each.is_enabled and not known.wanted.is_enabled:
                known.is_up = True  # it was not checked while it was disabled
            known.wanted = each
        for id_, gone in before.items():
            self.forgotten.add(self.left.put(id_, gone) or Member(NOBODY))
        if _prefixes(wanted) != _prefixes(previous):
            self._sessions.clear()
        self.look()

    def _found(self, wanted: plan.Member, before: dict[str, Member]) -> Member:
        known = before.pop(wanted.id) if wanted.id in before else self.left.take(wanted.id)
        return known or Member(wanted)

    def look(self) -> None:
        """Update the members that can be chosen, after a change of members or their health."""
        usable = [each for each in self.members.values() if each.can_serve and each.wanted.weight]
        self._choices = [each for each in usable if not each.wanted.is_backup] or usable

    @property
    def is_up(self) -> bool:
        return bool(self._choices) or not self.members

    def choose(self, client: Address, now: float) -> Member | None:
        """Choose the member for a new flow of the client; None if no member is available."""
        if self.wanted.persistence is None:
            return self._next(client)
        key = self._network(client[0], self.wanted.persistence)
        member = self._tied(key, now) or self._next(client)
        if member is not None:
            self._tie(key, member, now, self.wanted.persistence.timeout)
        return member

    def prolong(self, client: Address, member: Member, now: float) -> None:
        """Renew the client's session at the end of a flow: it lasts for its timeout from now."""
        if self.wanted.persistence is not None and member.wanted.id in self.members:
            key = self._network(client[0], self.wanted.persistence)
            if self._tied(key, now) is member:
                self._tie(key, member, now, self.wanted.persistence.timeout)

    def _next(self, client: Address) -> Member | None:
        return ALGORITHMS[self.wanted.algorithm](self._choices, client) if self._choices else None

    def _tied(self, key: int, now: float) -> Member | None:
        member_id, until = self._sessions.get(key, ("", 0.0))
        member = self.members.get(member_id)
        return member if member is not None and member.can_serve and now < until else None

    def _tie(self, key: int, member: Member, now: float, seconds: float) -> None:
        self._sessions[key] = member.wanted.id, now + seconds
        self._sessions.move_to_end(key)
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)

    def _network(self, host: str, wanted: plan.Persistence) -> int:
        """Return the client's network as a number, negative for IPv6 to tell the two families apart."""
        address = ipaddress.ip_address(host.partition("%")[0])
        if address.version == 4:
            return int(address) >> (32 - wanted.prefix_v4)
        return -1 - (int(address) >> (128 - wanted.prefix_v6))


def _prefixes(wanted: plan.Pool) -> tuple[int, int] | None:
    kept = wanted.persistence
    return (kept.prefix_v4, kept.prefix_v6) if kept else None


def _round_robin(members: list[Member], client: Address) -> Member:
    """Choose by smooth weighted round robin.

    The share of each member grows by its weight. The member with the largest share is chosen, and its share is reduced
    by the sum of all weights.
    """
    total = 0
    best = members[0]
    for each in members:
        each.share += each.wanted.weight
        total += each.wanted.weight
        if each.share > best.share:
            best = each
    best.share -= total
    return best


def _least_connections(members: list[Member], client: Address) -> Member:
    """Choose the member with the fewest flows for its weight, by round robin if there are several."""
    least = min(each.flows / each.wanted.weight for each in members)
    return _round_robin([each for each in members if each.flows / each.wanted.weight == least], client)


def _hashed(members: Iterable[Member], key: str) -> Member:
    """Choose by weighted rendezvous hashing: adding or removing a member moves only that member's share of clients."""

    def score(member: Member) -> float:
        digest = hashlib.blake2b(f"{key} {member.wanted.id}".encode(), digest_size=8).digest()
        return -member.wanted.weight / math.log((int.from_bytes(digest, "big") + 1) / 18446744073709551618)

    return max(members, key=score)


ALGORITHMS: dict[str, Callable[[list[Member], Address], Member]] = {
    "ROUND_ROBIN": _round_robin,
    "LEAST_CONNECTIONS": _least_connections,
    "SOURCE_IP": lambda members, client: _hashed(members, client[0]),
    "SOURCE_IP_PORT": lambda members, client: _hashed(members, f"{client[0]} {client[1]}"),
}
