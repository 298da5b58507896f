"""Faults: make requests fail, be delayed or be dropped on purpose, selected by service, resource, path and others."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from ...resources.testing import FAULT

Values = dict[str, Any]

# The attributes in which a fault and a request are compared, exactly or as patterns.
EXACT = ("service", "resource", "operation", "method", "project")
PATTERNS = ("path", "user_agent")


@dataclass(frozen=True)
class Asked:
    """The properties of a request that faults are compared with."""

    service: str
    resource: str
    operation: str
    method: str
    path: str
    user_agent: str = ""
    project: str = ""


@dataclass(frozen=True)
class Struck:
    """The effect of a fault on one request."""

    id: str
    status: int | None
    message: str | None
    retry_after: int | None
    seconds: float  # to wait before handling the request
    drop: str | None  # drop the connection before or after handling the request


@dataclass
class Fault:
    """One fault, with the numbers of requests that it has matched and struck."""

    values: Values
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    matched: int = 0
    hits: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.values["seed"])

    def shown(self) -> Values:
        """Return the fault as the API shows it."""
        counted = {"id": self.id, "matched": self.matched, "hits": self.hits}
        return {each.name: {**self.values, **counted}[each.name] for each in FAULT.fields}

    def strike(self, asked: Asked) -> Struck | None:
        """Return the effect on a request and count it; None if the request passes."""
        if not self._is_meant(asked) or self._is_used_up():
            return None
        self.matched += 1
        # Both are drawn for each match, so that a seed always gives the same sequence, whichever requests pass.
        chance, spread = self._chance.random(), self._chance.gauss(0.0, 1.0)
        if self.matched <= self.values["after"] or chance >= self.values["probability"]:
            return None
        self.hits += 1
        values = self.values
        return Struck(
            self.id,
            values["status"],
            values["message"],
            values["retry_after"],
            _seconds(values["delay"], values["delay_sigma"], spread),
            values["drop"],
        )

    def _is_meant(self, asked: Asked) -> bool:
        values = self.values
        return all(values[name] in (None, getattr(asked, name)) for name in EXACT) and all(
            values[name] is None or fnmatchcase(getattr(asked, name), values[name]) for name in PATTERNS
        )

    def _is_used_up(self) -> bool:
        times = self.values["times"]
        return times is not None and self.hits >= times


LONGEST_DELAY = 60.0


def _seconds(median: float | None, sigma: float | None, spread: float) -> float:
    """Return a log-normal delay in seconds, at most LONGEST_DELAY.

    median: in seconds; sigma: the standard deviation of the logarithm; spread: a standard normal random number.
    """
    if not median:
        return 0.0
    return float(min(median * 2.718281828459045 ** ((sigma or 0.0) * spread), LONGEST_DELAY))


class Faults:
    """All faults, in the order of their creation; the first that strikes decides. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.active: dict[str, Fault] = {}  # by ID; every request looks whether it is empty

    def add(self, values: Values) -> Values:
        """Add a fault from checked values and return it as the API shows it."""
        made = Fault(values)
        with self._lock:
            self.active[made.id] = made
            return made.shown()

    def all(self) -> list[Values]:
        with self._lock:
            return [fault.shown() for fault in self.active.values()]

    def find(self, id_: str) -> Values | None:
        with self._lock:
            found = self.active.get(id_)
            return found.shown() if found else None

    def remove(self, ids: Iterable[str] | None = None) -> bool:
        """Remove the given faults, or all of them; return whether there were any."""
        with self._lock:
            chosen = list(self.active) if ids is None else [id_ for id_ in ids if id_ in self.active]
            for id_ in chosen:
                del self.active[id_]
            return bool(chosen)

    def strike(self, asked: Asked) -> Struck | None:
        """Return the effect of the faults on a request; None if it passes."""
        if not self.active:
            return None
        waited = 0.0
        with self._lock:
            for fault in self.active.values():
                struck = fault.strike(asked)
                if struck is None:
                    continue
                if struck.status is None and struck.drop is None:  # after a delay only, later faults can strike, too
                    waited += struck.seconds
                    last = struck
                    continue
                return replace(struck, seconds=min(waited + struck.seconds, LONGEST_DELAY))
        return replace(last, seconds=min(waited, LONGEST_DELAY)) if waited else None


def wait(struck: Struck) -> None:
    """Sleep for the delay of a fault."""
    if struck.seconds:
        time.sleep(struck.seconds)
