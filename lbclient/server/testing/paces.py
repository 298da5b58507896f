"""Paces: how long changes of load balancers stay PENDING, and how they end.

A change that a pace holds back is committed and stays PENDING; the data plane applies it when the hold ends. Holds are
kept in a file, so that a restart does not shorten them; if the testing API is disabled, the file is not read, and
changes settle at once.
"""

from __future__ import annotations

import json
import math
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ... import files
from ...resources.testing import PACE

Values = dict[str, Any]

REASON = "A pace of the testing API ended this change in ERROR."


@dataclass
class Pace:
    """One pace, with the number of changes that it has held back."""

    values: Values
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    hits: int = 0

    def shown(self) -> Values:
        """Return the pace as the API shows it."""
        counted = {"id": self.id, "hits": self.hits}
        return {each.name: {**self.values, **counted}[each.name] for each in PACE.fields}

    def is_meant(self, loadbalancer_id: str, resource: str, operation: str) -> bool:
        values = self.values
        return (
            values["resource"] in (None, resource)
            and values["operation"] in (None, operation)
            and values["loadbalancer_id"] in (None, loadbalancer_id)
            and (values["times"] is None or self.hits < values["times"])
        )


@dataclass
class Hold:
    """A load balancer whose changes are held back, or whose last change ended in ERROR."""

    pace_id: str
    until: float | None = None  # seconds since the epoch
    polls: int | None = None  # remaining GETs until it ends
    manual: bool = False
    failure: str | None = None  # why the change ends in ERROR
    ids: list[str] = field(default_factory=list)  # of the objects that remain PENDING

    def remaining(self, now: float) -> float:
        """Return the seconds until the hold ends; infinity if something other than time ends it."""
        if self.manual or (self.polls or 0) > 0:
            return math.inf
        return max(0.0, (self.until or 0.0) - now)


class Paces:
    """All paces, and the load balancers that they hold back. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """path: the file in which paces and holds are kept."""
        self._path = path
        self._wake: Callable[[str], None] = lambda loadbalancer_id: None
        self._lock = threading.Lock()
        self._paces: dict[str, Pace] = {}
        self.holds: dict[str, Hold] = {}  # by load balancer; every request looks whether it is empty
        self._saved = ""  # the content of the file
        self._load()

    def on_release(self, wake: Callable[[str], None]) -> None:
        """Set the function wake(loadbalancer_id), which is called when a hold ends early or by polls."""
        self._wake = wake

    @property
    def counts_polls(self) -> bool:
        """Whether a hold waits for GETs."""
        return any(hold.polls for hold in list(self.holds.values()))  # a copy: other threads add and remove holds

    def add(self, values: Values) -> Values:
        """Add a pace from checked values and return it as the API shows it."""
        made = Pace(values)
        with self._lock:
            self._paces[made.id] = made
            self._save()
            return made.shown()

    def all(self) -> list[Values]:
        with self._lock:
            return [pace.shown() for pace in self._paces.values()]

    def find(self, id_: str) -> Values | None:
        with self._lock:
            found = self._paces.get(id_)
            return found.shown() if found else None

    def remove(self, ids: Iterable[str] | None = None) -> bool:
        """Remove the given paces, or all of them, and release their holds; return whether there were any."""
        with self._lock:
            chosen = set(self._paces) if ids is None else set(ids) & set(self._paces)
            for id_ in chosen:
                del self._paces[id_]
            freed = [key for key, hold in self.holds.items() if ids is None or hold.pace_id in chosen]
            self._free(freed)
        self._wake_all(freed)
        return bool(chosen)

    def release(self, loadbalancer_id: str | None = None) -> int:
        """End the hold of a load balancer, or all holds; return how many there were.

        Changes that are to end in ERROR do so.
        """
        with self._lock:
            freed = [
                key
                for key, hold in self.holds.items()
                if loadbalancer_id in (None, key) and hold.remaining(time.time()) > 0
            ]
            for key in freed:
                hold = self.holds[key]
                if hold.failure is None:
                    del self.holds[key]
                else:
                    self.holds[key] = Hold(hold.pace_id, failure=hold.failure)
            self._save()
        self._wake_all(freed)
        return len(freed)

    def begin(self, loadbalancer_id: str, changes: Collection[tuple[str, str, str]]) -> bool:
        """Hold back a load balancer if a pace matches one of its changes; return whether one does.

        changes: tuples of resource, operation and ID. The first pace that matches decides. The hold of an earlier
        change ends in any case.
        """
        if not self._paces and not self.holds:
            return False
        with self._lock:
            pace = next(
                (
                    pace
                    for resource, operation, _ in changes
                    for pace in self._paces.values()
                    if pace.is_meant(loadbalancer_id, resource, operation)
                ),
                None,
            )
            before = self.holds.pop(loadbalancer_id, None)
            if pace is not None:
                pace.hits += 1
                self.holds[loadbalancer_id] = _hold(pace, [loadbalancer_id, *(id_ for *_, id_ in changes)])
            if pace is not None or before is not None:
                self._save()
            return pace is not None

    def remaining(self, loadbalancer_id: str) -> float:
        """Return for how many seconds a load balancer is held back: 0 if it is not, infinity if until released."""
        hold = self.holds.get(loadbalancer_id)
        return hold.remaining(time.time()) if hold else 0.0

    def failure(self, loadbalancer_id: str) -> str | None:
        """Return why the last change is to end in ERROR, or None; a hold without a failure is removed."""
        with self._lock:
            hold = self.holds.get(loadbalancer_id)
            if hold is None:
                return None
            if hold.failure is None:
                del self.holds[loadbalancer_id]
                self._save()
            return hold.failure

    def polled(self, body: Any) -> None:
        """Count the answer to a GET for the holds of the objects that it shows as PENDING."""
        shown = set(_pending(body))
        freed = []
        with self._lock:
            for key, hold in self.holds.items():
                if hold.polls and not shown.isdisjoint(hold.ids):
                    hold.polls -= 1
                    if not hold.polls:
                        freed.append(key)
            self._save()
        self._wake_all(freed)

    def forget(self, gone: Collection[str]) -> None:
        """Remove the holds of load balancers that are gone."""
        with self._lock:
            self._free([key for key in self.holds if key in gone])

    def saved(self) -> dict[str, Values]:
        """Return the holds for a snapshot, with the seconds that are left in place of a time."""
        now = time.time()
        with self._lock:
            return {
                key: {**asdict(hold), "until": None if hold.until is None else max(0.0, hold.until - now)}
                for key, hold in self.holds.items()
            }

    def restore(self, saved: Mapping[str, Values]) -> None:
        """Replace all holds by those of a snapshot.

        A load balancer that was PENDING is held back again only if its pace is still set; one that a pace left in ERROR
        stays so until it is changed.
        """
        now = time.time()
        found = {key: Hold(**each) for key, each in saved.items()}
        for hold in found.values():
            hold.until = None if hold.until is None else now + hold.until
        with self._lock:
            kept = {
                key: hold
                for key, hold in found.items()
                if hold.pace_id in self._paces or (hold.failure is not None and not hold.remaining(now))
            }
            self.holds.update(kept)  # first: a load balancer must not be without its hold for a moment
            self._free([key for key in self.holds if key not in kept])

    def _free(self, keys: Iterable[str]) -> None:
        for key in keys:
            del self.holds[key]
        self._save()

    def _wake_all(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            self._wake(id_)

    def _load(self) -> None:
        try:
            self._saved = self._path.read_text()
        except FileNotFoundError:
            return
        kept = json.loads(self._saved)
        self._paces = {each["id"]: Pace(**each) for each in kept["paces"]}
        self.holds.update({key: Hold(**each) for key, each in kept["holds"].items()})

    def _save(self) -> None:
        holds = {key: asdict(hold) for key, hold in self.holds.items()}
        paces = [asdict(pace) for pace in self._paces.values()]
        text = json.dumps({"paces": paces, "holds": holds})
        if text != self._saved:
            files.replace(self._path, text)
            self._saved = text


def _hold(pace: Pace, ids: list[str]) -> Hold:
    values = pace.values
    failure = (values["reason"] or REASON) if values["outcome"] == "ERROR" else None
    until = time.time() + values["seconds"] if values["seconds"] is not None else None
    return Hold(pace.id, until, values["polls"], bool(values["manual"]), failure, ids)


def _pending(body: Any) -> Iterable[str]:
    """Yield the IDs of the objects in an answer that are PENDING."""
    if isinstance(body, list):
        for each in body:
            yield from _pending(each)
    elif isinstance(body, Mapping):
        if str(body.get("provisioning_status", "")).startswith("PENDING_") and "id" in body:
            yield body["id"]
        for each in body.values():
            if isinstance(each, list | Mapping):
                yield from _pending(each)
