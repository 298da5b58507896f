"""The sums that HAProxy keeps for each frontend and backend: while they stay the same, no server has changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..applier import State
from ..haproxy import runtime
from ..haproxy.runtime import Report

MANY = 100  # servers; with more of them, a poll asks for sums first, which are the same while nothing happens
RARELY = 300.0  # s, at most, between two polls of all servers of an HAProxy
SHARE = 20  # after a poll of all servers, the next one waits for this multiple of the time that it took

QUESTION = "show info;show stat -1 3 -1"  # frontends and backends
SUMMED = ("FRONTEND", "BACKEND")
COLUMNS = (
    *("status", "weight", "uweight", "act", "bck", "chkdown", "scur", "stot", "bin", "bout"),
    *("ereq", "econ", "eresp", "wretr", "wredis", "dreq", "dresp", "cli_abrt", "srv_abrt"),
)


@dataclass(frozen=True)
class Sums:
    """A worker's rows of its frontends and backends, with the columns that change when a server does."""

    pid: int
    fingerprint: str
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class Full:
    """The last report about all servers of an HAProxy with many of them."""

    state: State
    sums: Sums
    at: float
    next_at: float  # the earliest time of the next one


def full(state: State, reports: Sequence[Report], begun: float) -> Full | None:
    """Return the report of a poll, read since `begun`, in order to keep it; None unless it is about many servers."""
    if len(reports) != 1 or len(reports[0].rows) < MANY:
        return None
    now = time.monotonic()
    return Full(state, of(reports[0]), now, now + SHARE * (now - begun))


def of(report: Report) -> Sums:
    """Return the sums of a report, which may also have rows for each server."""
    rows = [(key, row) for key, row in report.rows.items() if key[1] in SUMMED]
    told = tuple((*key, *(row.get(name) for name in COLUMNS)) for key, row in rows)
    return Sums(report.pid, report.fingerprint, told)


def parsed(answer: str) -> Sums | None:
    """Return the sums in the answer to QUESTION; None if it is not valid."""
    try:
        return of(runtime.parse_report(answer))
    except runtime.Unreachable:
        return None
