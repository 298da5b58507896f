"""Traffic logs: their settings, the lines that are kept, and a stream of further lines."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import translate
from itertools import islice
from typing import Any

import sqlalchemy as sa

from ...resources import LISTENER, LOADBALANCER, Resource
from ...resources.logging import DEFAULTS, HEADER, LOGGING, MOST_HEADERS, SECRET_HEADERS
from ...store.feed import Missed
from ...store.records import Record
from ...store.tables import TABLES
from ..access.context import Context
from ..access.sender import recheck
from ..errors import BadRequest, InvalidInput
from ..services import Services, TrafficTail
from ..web import sse
from ..web.operation import FOLLOW, Operation, Parameter, Schema
from ..web.routing import Answer, Handler, Request, Route
from . import bodies, policy
from .log_lines import Names, names_of, parsed, present
from .openapi.schemas import wrapped
from .writes import transaction
from .writes.transaction import Change

Values = dict[str, Any]

USUAL_LIMIT, MOST_LINES = 100, 10_000
MOST_READ = 32_000_000  # bytes of lines that one request looks through: those of all listeners together
LONGEST_PATTERN = 255  # characters
NOT_LOGGED = ("SCTP",)
STATUS = re.compile(r"[1-5](?:\d\d|xx)")
AGO = re.compile(r"(\d{1,6})([smhd])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


# Settings


def show(resource: Resource) -> Handler:
    """GET of the settings of a listener, which are its load balancer's unless it has its own, or of a load balancer."""

    def handler(services: Services, request: Request, id: str) -> Answer:
        with services.store.reading() as tx:
            row = policy.visible(services, tx, request.who, f"{resource.name}:get_one", resource, id)
            return Answer({LOGGING.key: _setting(tx, resource, row)})

    return handler


def _setting(tx: sa.Connection, resource: Resource, row: Record) -> Values:
    if row.logging is None and resource is LISTENER:
        owners = TABLES[LOADBALANCER.name]
        found = tx.execute(sa.select(owners.c.logging).where(owners.c.id == row.loadbalancer_id)).scalar()
    else:
        found = row.logging
    return {**DEFAULTS, **(found or {})}


def update(resource: Resource) -> Handler:
    """PUT of settings; those that are not given stay."""

    def handler(services: Services, request: Request, id: str) -> Answer:
        values = bodies.changed(LOGGING, request.body)
        _check_headers(values.get("headers", ()))

        def setting(tx: sa.Connection, row: Record) -> Values:
            if getattr(row, "protocol", None) in NOT_LOGGED and values.get("enabled"):
                raise BadRequest(f"The traffic of {row.protocol} listeners cannot be logged.")
            return {**_setting(tx, resource, row), **values}

        return Answer({LOGGING.key: _changed(services, request, resource, id, setting)})

    return handler


def reset(resource: Resource) -> Handler:
    """DELETE of settings: a listener has those of its load balancer then, and a load balancer logs nothing."""

    def handler(services: Services, request: Request, id: str) -> Answer:
        _changed(services, request, resource, id, lambda tx, row: None)
        return Answer(None, 204)

    return handler


def _changed(
    services: Services,
    request: Request,
    resource: Resource,
    id_: str,
    setting: Callable[[sa.Connection, Record], Values | None],
) -> Values | None:
    def find(tx: sa.Connection) -> tuple[str, Record]:
        row = policy.visible(services, tx, request.who, f"{resource.name}:put", resource, id_)
        return row.id if resource is LOADBALANCER else row.loadbalancer_id, row

    def operation(change: Change, row: Record) -> Values | None:
        values = setting(change.tx, row)
        change.update(TABLES[resource.name], id_, {LOGGING.name: values})
        change.touch_loadbalancer()
        return values

    return transaction.change(services, find, operation, who=request.who)


def _check_headers(names: Any) -> None:
    if len(names) > MOST_HEADERS:
        raise InvalidInput("headers", names, f"At most {MOST_HEADERS} headers can be logged")
    for name in names:
        if not re.fullmatch(HEADER, name):
            raise InvalidInput("headers", name, "Value should be the name of a header in lower case")
        if name in SECRET_HEADERS:
            raise InvalidInput("headers", name, "Headers with credentials cannot be logged")


# Lines


@dataclass(frozen=True)
class Wanted:
    """The lines to answer with, as parsed from the query."""

    limit: int
    since: float  # seconds since 1970
    status: str | None  # such as 404 or 5xx
    member: str | None
    path: re.Pattern[str] | None

    def fits(self, line: Values) -> bool:
        status = str(line.get("status", ""))
        return (
            line["ts"] >= self.since
            and (self.status is None or status == self.status or f"{status[:1]}xx" == self.status)
            and (self.member is None or line.get("server") == self.member)
            and (self.path is None or self.path.match(line.get("path", "")) is not None)
        )


def lines(resource: Resource) -> Handler:
    """GET of the last lines of a load balancer or a listener, oldest first; ?follow for a stream of further lines."""

    def visible(services: Services, who: Context, id_: str) -> tuple[str, Names]:
        with services.store.reading() as tx:
            row = policy.visible(services, tx, who, f"{resource.name}:get_stats", resource, id_)
            owner = row.id if resource is LOADBALANCER else row.loadbalancer_id
            names = names_of(tx, owner)
        return owner, names if resource is LOADBALANCER else _only(names, row)

    def handler(services: Services, request: Request, id: str) -> Answer:
        owner, names = visible(services, request.who, id)
        wanted = _wanted(request)
        if sse.is_followed(request):
            identify = recheck(services, request.http)
            tail = services.dataplane.traffic_tail(owner)
            stream = Lines(tail, wanted, names, lambda: visible(services, identify(), id))
            return Answer(headers=dict(sse.HEADERS), stream=stream)
        found: list[Values] = []
        share = MOST_READ // max(1, len(names.listeners))
        for each in names.listeners:
            kept = _newest(services.dataplane.traffic(owner, [each]), share)
            found += islice(_presented(kept, wanted, names), wanted.limit)
        newest = sorted(found, key=lambda each: float(each["ts"]))[-wanted.limit :]
        return Answer({"logs": newest})

    return handler


def _only(names: Names, listener: Record) -> Names:
    return Names({listener.id: names.listeners.get(listener.id, listener.name or "")}, names.pools, names.members)


def _newest(kept: Iterator[tuple[str, bytes]], size: int) -> Iterator[tuple[str, bytes]]:
    """Yield the lines that have at most this size together, in bytes."""
    for listener_id, line in kept:
        size -= len(line)
        if size < 0:
            return
        yield listener_id, line


def _presented(found: Iterator[tuple[str, bytes]], wanted: Wanted, names: Names) -> Iterator[Values]:
    for listener_id, raw in found:
        line = parsed(raw)
        if line is not None and wanted.fits(line):
            yield present(listener_id, line, names)


class Lines:
    """A stream of lines as they are logged."""

    heartbeat = sse.HEARTBEAT

    def __init__(self, tail: TrafficTail, wanted: Wanted, names: Names, check: Callable[[], tuple[str, Names]]) -> None:
        self._tail = tail
        self._position = tail.position
        self._wanted = wanted
        self._names = names
        self._check = check

    def open(self, wake: Callable[[], None]) -> None:
        self._tail.watch(self, wake)

    def close(self) -> None:
        self._tail.unwatch(self)

    def check(self) -> None:
        _, self._names = self._check()

    def take(self) -> bytes | None:
        """Return the lines that have not been sent; lines that came too fast for the client are left out."""
        try:
            found, self._position = self._tail.after(self._position)
        except Missed:
            self._position = self._tail.position
            return sse.message({"skipped": True})
        mine = ((each.listener_id, each.line) for each in found if each.listener_id in self._names.listeners)
        return b"".join(sse.message(each) for each in _presented(mine, self._wanted, self._names))


def _wanted(request: Request) -> Wanted:
    query = dict(request.query)
    status = query.get("status")
    if status is not None and not STATUS.fullmatch(status):
        raise InvalidInput("status", status, "Value should be a status such as 404 or 5xx")
    return Wanted(
        _limit(query.get("limit")), _since(query.get("since")), status, query.get("member"), _path(query.get("path"))
    )


def _path(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    if len(text) > LONGEST_PATTERN:
        raise InvalidInput("path", f"{text[:LONGEST_PATTERN]}…", f"At most {LONGEST_PATTERN} characters are allowed")
    return re.compile(translate(text))


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL_LIMIT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST_LINES:
        raise InvalidInput("limit", text, f"Value should be a number from 1 to {MOST_LINES}")
    return int(text)


def _since(text: str | None) -> float:
    """Parse a time (2026-01-31T12:00:00, in UTC) or a time ago (10m)."""
    if text is None:
        return 0.0
    ago = AGO.fullmatch(text)
    if ago:
        return time.time() - int(ago[1]) * UNITS[ago[2]]
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("since", text, "Value should be a time in UTC, or how long ago, such as 10m") from None
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()


TEXT: Schema = {"type": "string"}
QUERY = (
    Parameter("since", TEXT, "Lines since a time in UTC, or since so long ago: 30s, 10m, 2h, 1d."),
    Parameter("status", TEXT, "Lines with this status, or this class of statuses: 5xx."),
    Parameter("member", TEXT, "Lines of this member (ID)."),
    Parameter("path", TEXT, "Lines whose path matches this pattern; * stands for any characters; up to 255 in all."),
    Parameter("limit", TEXT, f"How many lines, at most {MOST_LINES} ({USUAL_LIMIT})."),
    Parameter(FOLLOW, {"type": "boolean"}, "Answer with server-sent events: lines as they are logged."),
)
SETTING: Schema = wrapped(LOGGING.key, {"type": "object"})
WRITING = (400, 401, 403, 404, 406, 409, 413, 503)


def routes() -> tuple[Route, ...]:
    """Return the routes of both kinds of objects that have traffic logs."""
    return tuple(route for resource in (LOADBALANCER, LISTENER) for route in _routes(resource))


def _routes(resource: Resource) -> tuple[Route, ...]:
    what, path = resource.name, f"{resource.path}/{{id}}"
    logged = wrapped("logs", {"type": "array", "items": {"type": "object"}})
    return (
        Route(
            "GET",
            f"{path}/logging",
            show(resource),
            operation=Operation(f"show_{what}_logging", "Show what is logged of its traffic", resource, SETTING),
        ),
        Route(
            "PUT",
            f"{path}/logging",
            update(resource),
            operation=Operation(
                f"update_{what}_logging",
                "Change what is logged of its traffic",
                resource,
                SETTING,
                200,
                SETTING,
                refusals=WRITING,
            ),
        ),
        Route(
            "DELETE",
            f"{path}/logging",
            reset(resource),
            operation=Operation(
                f"reset_{what}_logging", "Reset what is logged of its traffic", resource, status=204, refusals=WRITING
            ),
        ),
        Route(
            "GET",
            f"{path}/logs",
            lines(resource),
            waits=True,
            operation=Operation(
                f"list_{what}_logs", "List what was logged of its traffic", resource, logged, query=QUERY
            ),
        ),
    )
