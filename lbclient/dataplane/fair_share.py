"""Fair scheduling of queued IDs, so that no ID or group holds up the others. Pure: no threads, no clock.

* IDs of normal priority come before those of low priority.
* A group (a project) gets at most its share of the ordinary slots; the group that uses the fewest comes next.
* Large IDs have slots of their own beside the ordinary ones, by default a single one.
* An ID that takes long frees its ordinary slot for others, and gets a slot for slow IDs the next time.
"""

from __future__ import annotations

import enum
import heapq
from dataclasses import dataclass


class Kind(enum.Enum):
    """The class of an ID, from earlier rounds; each class has slots of its own."""

    ORDINARY = enum.auto()
    LARGE = enum.auto()
    SLOW = enum.auto()


@dataclass(frozen=True)
class Limits:
    """The number of IDs worked on at a time, by kind, and the seconds after which one counts as slow."""

    ordinary: int = 4
    ordinary_of_group: int = 2
    low_priority: int = 1
    large: int = 1
    slow: int = 8
    slow_of_group: int = 4
    slow_after: float = 1.0
    slow_after_if_large: float = 30.0


@dataclass
class _Entry:
    due: float
    is_low: bool


@dataclass
class _Work:
    """The state of an ID that is being worked on."""

    kind: Kind
    is_low: bool
    group: str
    slow_at: float


_Lane = tuple[bool, Kind]  # whether it is of low priority
ORDER: tuple[_Lane, ...] = tuple((is_low, kind) for is_low in (False, True) for kind in Kind)


class FairShare:
    """The waiting IDs and the ones being worked on; one that is woken during its work waits until that is done."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._entries: dict[str, _Entry] = {}
        self._later: list[tuple[float, str]] = []  # a heap of (due, ID), which may hold superseded entries
        self._ready: dict[_Lane, dict[str, dict[str, None]]] = {lane: {} for lane in ORDER}  # by group, in order
        self._work: dict[str, _Work] = {}
        self._kinds: dict[str, Kind] = {}  # only those that are not ordinary
        self._groups: dict[str, str] = {}

    def __contains__(self, id_: str) -> bool:
        return id_ in self._entries or id_ in self._work

    def is_due(self, id_: str, now: float) -> bool:
        """Return whether an ID is being worked on, or waits for nothing but a slot."""
        return id_ in self._work or (id_ in self._entries and self._entries[id_].due <= now)

    def put(self, id_: str, due: float, is_low: bool, group: str | None) -> None:
        """Add a waiting ID; an existing entry keeps an earlier due time or a higher priority."""
        before = self._entries.get(id_)
        if before is not None:
            due, is_low = min(due, before.due), is_low and before.is_low
            if (due, is_low) == (before.due, before.is_low) and group in (None, self._group(id_)):
                return  # keeps its place in the order
            self._withdraw(id_, before)
        if group is not None:
            self._groups[id_] = group
        self._entries[id_] = _Entry(due, is_low)
        heapq.heappush(self._later, (due, id_))

    def take(self, now: float) -> str | None:
        """Choose the next ID and mark it as being worked on; return None if none is due or has a free slot."""
        self._advance(now)
        for lane in ORDER:
            id_ = self._first(lane) if self._has_room(lane) else None
            if id_ is not None:
                return self._begin(id_, lane, now)
        return None

    def done(self, id_: str, now: float) -> None:
        """End the work on an ID; it counts as slow the next time if the work took too long."""
        self._advance(now)
        work = self._work.pop(id_)
        if work.slow_at <= now:
            self._kinds[id_] = Kind.SLOW
        elif self._kinds.get(id_) is Kind.SLOW:
            del self._kinds[id_]
        if id_ in self._entries:
            heapq.heappush(self._later, (self._entries[id_].due, id_))

    def resize(self, id_: str, is_large: bool) -> bool:
        """Record whether an ID is large; return True if it is but is being worked on in an ordinary slot."""
        if is_large and self._kinds.get(id_) is None:
            self._kinds[id_] = Kind.LARGE
        elif not is_large and self._kinds.get(id_) is Kind.LARGE:
            del self._kinds[id_]
        return is_large and id_ in self._work and self._work[id_].kind is Kind.ORDINARY

    def forget(self, id_: str) -> None:
        """Drop the kind and group recorded for an ID, unless it is waiting."""
        if id_ not in self._entries:
            self._kinds.pop(id_, None)
            self._groups.pop(id_, None)

    def next_change(self, now: float) -> float | None:
        """Return when the next entry becomes due or the next ID in work becomes slow; None if neither will happen."""
        times = [work.slow_at for work in self._work.values() if work.slow_at > now]
        if self._later:
            times.append(self._later[0][0])
        return min(times, default=None)

    def lengths(self, now: float) -> tuple[int, int]:
        """Return how many IDs are due, and how many are being worked on."""
        return sum(entry.due <= now for entry in self._entries.values()), len(self._work)

    def _advance(self, now: float) -> None:
        """Move due entries to the ready ones, and mark work that takes too long as slow, which frees its slot."""
        while self._later and self._later[0][0] <= now:
            due, id_ = heapq.heappop(self._later)
            entry = self._entries.get(id_)
            if entry is not None and entry.due == due and id_ not in self._work:
                self._ready[self._lane(id_, entry)].setdefault(self._group(id_), {})[id_] = None
        for work in self._work.values():
            if work.slow_at <= now:
                work.kind = Kind.SLOW

    def _begin(self, id_: str, lane: _Lane, now: float) -> str:
        is_low, kind = lane
        group = self._group(id_)
        self._withdraw(id_, self._entries.pop(id_))
        waiting = self._ready[lane].pop(group, None)
        if waiting:
            self._ready[lane][group] = waiting  # the group goes behind the others
        limits = self.limits
        seconds = limits.slow_after_if_large if kind is Kind.LARGE else limits.slow_after
        self._work[id_] = _Work(kind, is_low, group, now + seconds)
        return id_

    def _withdraw(self, id_: str, entry: _Entry) -> None:
        for kind in Kind:  # its kind may have changed while it was waiting
            groups = self._ready[entry.is_low, kind]
            waiting = groups.get(self._group(id_), {})
            waiting.pop(id_, None)
            if not waiting:
                groups.pop(self._group(id_), None)

    def _has_room(self, lane: _Lane) -> bool:
        is_low, kind = lane
        limit = {Kind.ORDINARY: self.limits.ordinary, Kind.LARGE: self.limits.large, Kind.SLOW: self.limits.slow}[kind]
        works = [work for work in self._work.values() if work.kind is kind]
        if is_low and kind is Kind.ORDINARY and sum(work.is_low for work in works) >= self.limits.low_priority:
            return False
        return len(works) < limit

    def _first(self, lane: _Lane) -> str | None:
        """Return the longest-waiting ID of the group with the least work; None if no waiting group may have more."""
        is_low, kind = lane
        shares = {Kind.ORDINARY: self.limits.ordinary_of_group, Kind.SLOW: self.limits.slow_of_group}
        least, chosen = (self.limits.ordinary if is_low else shares.get(kind, self.limits.large)), None
        for group in self._ready[lane]:
            count = sum(work.group == group and work.kind is kind for work in self._work.values())
            if count < least:
                least, chosen = count, group
            if least == 0:
                break
        return None if chosen is None else next(iter(self._ready[lane][chosen]))

    def _lane(self, id_: str, entry: _Entry) -> _Lane:
        return entry.is_low, self._kinds.get(id_, Kind.ORDINARY)

    def _group(self, id_: str) -> str:
        return self._groups.get(id_, id_)
