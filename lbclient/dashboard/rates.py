"""Traffic per second, from the counters of two moments."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..client import errors
from ..client.api import Api
from ..resources import LOADBALANCER

FRESH = 1.5  # seconds for which a look is not repeated
BUDGET = 0.25  # seconds for the looks of one request: with many load balancers, some are looked at the next time
FORGOTTEN = 30.0  # seconds after which two looks are too far apart for a rate
MOST = 20_000


@dataclass(frozen=True)
class Traffic:
    """The traffic of a load balancer. Rates are None until its counters have been read twice."""

    requests: float | None = None
    errors: float | None = None
    active: int | None = None
    response: float | None = None  # milliseconds


@dataclass(frozen=True)
class _Look:
    at: float
    requests: int
    errors: int
    traffic: Traffic


def counters(api: Api, id_: str) -> dict[str, Any]:
    """Return the counters of a load balancer with its requests and its response time in milliseconds.

    Where the data plane does not report these, requests are the connections, and the response time is None.
    """
    found = api.statistics(LOADBALANCER, id_)
    try:
        mine = api.performance(id_).get(id_, {})
    except errors.ServerFailed:
        mine = {}
    requests = mine.get("requests", found["total_connections"])
    return {**found, "requests": requests, "response_milliseconds": mine.get("response_milliseconds")}


class Rates:
    """The last looks at the counters of load balancers, shared by all pages that are open."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._looks: OrderedDict[str, _Look] = OrderedDict()

    def of(self, api: Api, ids: Iterable[str]) -> Mapping[str, Traffic]:
        """Return the traffic of load balancers that the user may see, as of now or a moment ago."""
        wanted = list(ids)
        until = self._clock() + BUDGET
        for id_ in sorted(wanted, key=lambda id_: self._looked_at(id_)):
            now = self._clock()
            if now > until or now - self._looked_at(id_) < FRESH:
                break  # the others are more recent
            with suppress(errors.Refused):  # deleted in the meantime, or its counters are not for this user
                self._keep(id_, counters(api, id_))
        with self._lock:
            return {id_: self._looks[id_].traffic for id_ in wanted if id_ in self._looks}

    def _looked_at(self, id_: str) -> float:
        with self._lock:
            look = self._looks.get(id_)
        return look.at if look else float("-inf")

    def _keep(self, id_: str, counters: Mapping[str, Any]) -> None:
        now = self._clock()
        total, failed = counters["requests"], counters["request_errors"]
        with self._lock:
            last = self._looks.pop(id_, None)
            traffic = Traffic(active=counters["active_connections"], response=counters["response_milliseconds"])
            if last and now - last.at < FORGOTTEN and total >= last.requests and failed >= last.errors:
                seconds = max(now - last.at, 0.001)
                traffic = Traffic(
                    (total - last.requests) / seconds,
                    (failed - last.errors) / seconds,
                    traffic.active,
                    traffic.response,
                )
            self._looks[id_] = _Look(now, total, failed, traffic)
            if len(self._looks) > MOST:
                self._looks.popitem(last=False)
