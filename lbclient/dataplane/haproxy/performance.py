"""Requests and response times of a load balancer's parts, as the processes that carry its traffic count them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import connections, runtime
from .counters import BACKEND_OF
from .runtime import Row

Performance = dict[str, dict[str, float | None]]  # by the ID of a load balancer, listener, pool or member
REQUESTS, RESPONSE = "requests", "response_milliseconds"


@dataclass
class _Sum:
    """The requests of one part, and its response times, weighted by the requests of the last second or of all time."""

    requests: int = 0
    lately: float = 0.0
    lately_weight: int = 0
    ever: float = 0.0
    ever_weight: int = 0

    def add(self, row: Row, requests: int) -> None:
        self.requests += requests
        if row.get("mode") != "http" or not row.get("rtime") or not int(row["stot"] or 0):
            return
        milliseconds, rate, total = int(row["rtime"]), int(row.get("rate") or 0), int(row["stot"])
        self.lately += milliseconds * rate
        self.lately_weight += rate
        self.ever += milliseconds * total
        self.ever_weight += total

    @property
    def response(self) -> float | None:
        if self.lately_weight:
            return round(self.lately / self.lately_weight, 1)
        return round(self.ever / self.ever_weight, 1) if self.ever_weight else None

    def values(self) -> dict[str, float | None]:
        return {REQUESTS: self.requests, RESPONSE: self.response}


def of(directory: Path, loadbalancer_id: str) -> Performance | None:
    """Return the figures of a load balancer and all its parts; None if a running process does not answer.

    Requests are counted since the processes started: HTTP requests, TCP connections and UDP flows. Response times are
    HAProxy's means of the last 1,024 requests to each member, until the first byte of an answer; None without HTTP.
    """
    place = directory.absolute() / loadbalancer_id
    whole = _Sum()
    parts: dict[str, _Sum] = {loadbalancer_id: whole}
    if not place.is_dir():
        return {loadbalancer_id: whole.values()}
    try:
        for id_, side, row in _rows(place):
            requests = int(row.get("req_tot") or row["stot"] or 0) if side == "FRONTEND" else int(row["stot"] or 0)
            parts.setdefault(id_, _Sum()).add(row, requests)
            if side == "FRONTEND":
                whole.requests += requests
            elif side == "BACKEND":
                whole.add(row, 0)
    except runtime.Unreachable:
        return None
    return {id_: each.values() for id_, each in parts.items()}


def _rows(place: Path) -> Iterator[tuple[str, str, Row]]:
    """Yield the ID of a part, FRONTEND, BACKEND or the ID of a member, and the row. Raises Unreachable."""
    for rows in connections.rows(place):
        for (proxy, server), row in rows.items():
            is_member = server not in ("FRONTEND", "BACKEND")
            yield server if is_member else proxy.partition(BACKEND_OF)[0], server, row
