"""The control plane of an agent: a server on another host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

from ..batches import batched
from ..store import documents
from ..store.snapshot import Snapshot
from ..store.store import Check, Key, Outcome, Statuses, Totals
from .connection import Connection, Refused, Unreachable

NOT_HERE = ("gone", "elsewhere")
# The server takes four megabytes in a request. What is told of many listeners, pools and members is divided:
PARTS = 5000  # whose totals are sent in one request: about a megabyte
OBSERVED = 2500  # whose statuses, results of checks and reasons are sent in one request: two megabytes at most
SETTLED = 20_000  # whose predicted statuses are sent with a settled change; later reports have those of the others
FENCED = "fenced"


class DistantControlPlane:
    """What the data plane asks and reports, as requests to the server. Thread-safe.

    Reports carry the epoch of the last registration. One that is refused because the epoch is over raises Unreachable:
    it is repeated after the next registration.
    """

    def __init__(self, server: Connection, on_fenced: Callable[[], None]) -> None:
        """on_fenced() has the host register again."""
        self._server = server
        self._on_fenced = on_fenced
        self._lock = threading.Lock()
        self._listing = threading.Lock()
        self._projects: dict[str, str] = {}
        self._statuses: dict[str, dict[Key, str]] = {}  # as far as they are known here
        self._revisions: dict[str, int] = {}  # of the last snapshots
        self._applied: dict[str, int] = {}  # revisions of load balancers on two hosts that were reported as applied
        self._unsent: dict[str, Totals] = {}
        self._prepared: Any = None
        self.groups: list[dict[str, Any]] = []  # of addresses that this host shares, as the list said last
        self.states: dict[str, str] = {}  # of the groups, by name: MASTER, BACKUP or FAULT; each beat has them
        self.epoch = 0

    def prepare(self) -> list[str]:
        """Read the whole list for the next call of roster(), which then cannot fail; return the IDs in it.

        Raises Unreachable and Refused.
        """
        self._prepared = self._wanted()
        return [id_ for id_, _, _, _ in self._prepared]

    def roster(self) -> list[tuple[str, str, bool]]:
        found = self._wanted() if self._prepared is None else self._prepared
        self._prepared = None
        self._projects = {id_: project_id for id_, project_id, _, _ in found}
        return [(id_, project_id, is_pending) for id_, project_id, is_pending, _ in found]

    def changed(self) -> list[str]:
        """Return the IDs of load balancers that are not here as the server wants them, from its whole list."""
        found = {id_: revision for id_, _, _, revision in self._wanted()}
        with self._lock:
            known = dict(self._revisions)
        return [id_ for id_ in found.keys() | known.keys() if found.get(id_) != known.get(id_)]

    def _wanted(self) -> list[Any]:
        """Return the list of what is wanted here, and note the groups of addresses."""
        with self._listing:  # the list that was asked for last is the newest
            found = self._server.get("/wanted")
            self.groups = found["groups"]
        return list(found["loadbalancers"])

    def addresses(self) -> dict[tuple[str, str], tuple[str, ...]]:
        found = self._server.get("/addresses")
        return {(id_, provider): tuple(addresses) for id_, provider, addresses in found}

    def project_of(self, loadbalancer_id: str) -> str | None:
        return self._projects.get(loadbalancer_id)

    def snapshot(self, loadbalancer_id: str, before: Snapshot | None = None) -> Snapshot | None:
        try:
            found = self._server.get(f"/loadbalancers/{loadbalancer_id}")
        except Refused as refusal:
            if refusal.reason not in NOT_HERE:
                raise
            self._forget(loadbalancer_id)
            return None
        snapshot = documents.snapshot(found)
        with self._lock:
            self._projects[loadbalancer_id] = snapshot.loadbalancer.project_id
            self._revisions[loadbalancer_id] = snapshot.loadbalancer.revision
            self._statuses[loadbalancer_id] = {(name, id_): status for name, id_, status in found["statuses"]}
        return snapshot

    def settle(
        self,
        snapshot: Snapshot,
        error: str | None,
        outcome: Outcome | None = None,
        expect: Callable[[Statuses], Statuses] = dict,
    ) -> bool:
        row = snapshot.loadbalancer
        with self._lock:
            known = self._statuses.get(row.id, {})
            is_reported = not snapshot.peers or self._applied.get(row.id) == row.revision
        statuses = expect(known) if error is None else {}
        changed = _first({key: each for key, each in statuses.items() if known.get(key) != each}, SETTLED)
        is_new = (
            error or snapshot.failures or row.provisioning_status != "ACTIVE" or row.fault or len(snapshot.seen) > 1
        )
        if not is_new and is_reported and (outcome is None or outcome.how == "nothing"):
            return False
        told = {
            "revision": row.revision,
            "unbound": _triples(snapshot.unbound),
            "statuses": _triples(changed),
            "error": error,
            "outcome": asdict(outcome) if outcome else None,
        }
        answer = self._report(row.id, "settled", told)
        with self._lock:
            self._statuses[row.id] = {**known, **changed}
            if error is None:
                self._applied[row.id] = row.revision
            else:
                self._applied.pop(row.id, None)
        return bool(answer and answer["is_pending"])

    def settle_noop(self, loadbalancer_id: str, reported: Mapping[str, str]) -> None:
        """Do nothing: the server settles load balancers that carry no traffic."""

    def observed(
        self,
        loadbalancer_id: str,
        statuses: Statuses,
        checks: Mapping[str, Check | None] | None = None,
        reasons: Mapping[Key, str] | None = None,
        revision: int | None = None,
    ) -> None:
        for told in _observations(statuses, checks, reasons or {}):
            self._report(loadbalancer_id, "observed", {**told, "revision": revision})
        with self._lock:
            self._statuses.setdefault(loadbalancer_id, {}).update(statuses)

    def released(self, loadbalancer_id: str) -> None:
        self._report(loadbalancer_id, "released", {})

    def all_counted(self, totals: Mapping[str, Totals]) -> None:
        """Keep totals for the next beat."""
        with self._lock:
            self._unsent.update(totals)

    def beat(self) -> None:
        """Extend the lease and send the new totals, in as many requests as it takes. Raises Unreachable and Refused."""
        with self._lock:
            totals, self._unsent = self._unsent, {}
        portions = list(_portions(totals)) or [{}]
        try:
            said = {"epoch": self.epoch, "clock": clock(), "groups": dict(self.states)}
            while portions:
                self._server.post("/beat", {**said, "totals": portions[0]})
                del portions[0]
        except (Unreachable, Refused):
            with self._lock:
                for portion in portions:
                    for id_, parts in portion.items():
                        self._unsent[id_] = {**parts, **self._unsent.get(id_, {})}
            raise

    def _report(self, loadbalancer_id: str, verb: str, values: Mapping[str, Any]) -> Any:
        """Return the answer; None if the load balancer is not on this host any more. Raises Unreachable."""
        try:
            return self._server.post(f"/loadbalancers/{loadbalancer_id}/{verb}", {"epoch": self.epoch, **values})
        except Refused as refusal:
            if refusal.reason in NOT_HERE:
                return None
            if refusal.reason == FENCED:
                self._on_fenced()
            raise Unreachable(str(refusal)) from None

    def _forget(self, loadbalancer_id: str) -> None:
        with self._lock:
            for known in (self._projects, self._statuses, self._revisions, self._applied, self._unsent):
                known.pop(loadbalancer_id, None)


def _portions(totals: Mapping[str, Totals]) -> Iterator[dict[str, dict[str, Mapping[str, int]]]]:
    """Yield the totals of at most PARTS listeners, pools and members at a time, by load balancer."""
    every = ((id_, part, counted) for id_, parts in totals.items() for part, counted in parts.items())
    for taken in batched(every, PARTS):
        portion: dict[str, dict[str, Mapping[str, int]]] = {}
        for id_, part, counted in taken:
            portion.setdefault(id_, {})[part] = counted
        yield portion


def _observations(
    statuses: Statuses, checks: Mapping[str, Check | None] | None, reasons: Mapping[Key, str]
) -> Iterator[dict[str, Any]]:
    """Yield what was observed of at most OBSERVED listeners, pools and members at a time.

    Numbers tell the portions; what fits into one has none.
    """
    keys = list({**statuses, **reasons, **{("member", id_): None for id_ in checks or ()}})
    for number, portion in enumerate(batched(keys, OBSERVED) if keys else ([],)):
        ids = [id_ for kind, id_ in portion if kind == "member"] if checks else []
        found = {id_: checks[id_] for id_ in ids if id_ in checks} if checks else {}
        yield {
            "portion": number if len(keys) > OBSERVED else None,
            "statuses": _triples({key: statuses[key] for key in portion if key in statuses}),
            "checks": None if checks is None else {id_: each and asdict(each) for id_, each in found.items()},
            "reasons": _triples({key: reasons[key] for key in portion if key in reasons}),
        }


def _first(statuses: Statuses, most: int) -> Statuses:
    """Return the statuses of at most so many members, and of all that are none."""
    members = islice((key for key in statuses if key[0] == "member"), most)
    others = (key for key in statuses if key[0] != "member")
    return {key: statuses[key] for key in (*members, *others)}


def clock() -> int:
    """Return this host's time, in milliseconds since 1970."""
    return time.time_ns() // 10**6


def _triples(found: Mapping[Key, Any]) -> list[list[Any]]:
    return [[*key, value] for key, value in found.items()]
