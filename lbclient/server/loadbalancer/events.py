"""The events of load balancers: as a list, newest first, or as a stream of server-sent events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...resources import EVENT, LOADBALANCER
from ...resources.event import ALL_PATH
from ...store import history
from ...store.feed import Feed, Missed, Told
from ...store.observed_tables import EVENT as EVENTS
from ..access.sender import recheck
from ..services import Services
from ..web import sse
from ..web.routing import Answer, Request
from . import listing, policy, present

NEWEST_FIRST = (("serial", "desc"),)
REPLAYED = 1000  # the most earlier events that a new stream sends

Scope = Mapping[str, Any]  # column -> value: the events that the sender may see


def list_of(services: Services, request: Request, loadbalancer_id: str) -> Answer:
    """GET of the events of a load balancer, for every sender who may see the load balancer."""

    def visible(who: Any) -> Scope:
        with services.store.reading() as tx:
            policy.visible(services, tx, who, "loadbalancer:get_one", LOADBALANCER, loadbalancer_id)
        return {"loadbalancer_id": loadbalancer_id}

    return _answer(services, request, EVENT.path.format(loadbalancer_id=loadbalancer_id), visible)


def list_all(services: Services, request: Request) -> Answer:
    """GET of the events of all load balancers that the sender may list."""
    return _answer(services, request, ALL_PATH, lambda who: policy.scope(services, who, LOADBALANCER))


def _answer(services: Services, request: Request, path: str, visible: Callable[[Any], Scope]) -> Answer:
    scope = visible(request.who)
    asked = replace(request, query=sse.without_follow(request))
    wanted = listing.page(EVENT, EVENTS, asked.query)
    if sse.is_followed(request):
        return _stream(services, request, wanted, scope, visible)
    if not {"sort", "sort_key"} & dict(asked.query).keys():
        wanted = replace(wanted, order=NEWEST_FIRST)
    with services.store.reading() as tx:
        rows = listing.rows(tx, EVENT, EVENTS, wanted, scope)
    links = listing.links(asked, path, wanted, rows)
    found = [present.plain(EVENT, row, wanted.fields) for row in rows]
    return Answer({EVENT.collection: found, f"{EVENT.collection}_links": links})


def _stream(
    services: Services, request: Request, wanted: listing.Page, scope: Scope, visible: Callable[[Any], Scope]
) -> Answer:
    """Answer with the events from now on; with Last-Event-ID, also with those that the client has missed."""
    feed = services.store.feed
    last = sse.last_event_id(request)
    begin: list[Told] = []
    position = feed.position
    if last is not None:
        begin, position = feed.since(last) or (_stored(services, last, scope), position)
    identify = recheck(services, request.http)
    selected = {**scope, **dict(wanted.filters)}
    stream = Events(feed, position, begin, selected, lambda: visible(identify()))
    return Answer(headers=dict(sse.HEADERS), stream=stream)


def _stored(services: Services, last: int, scope: Scope) -> list[Told]:
    with services.store.reading() as tx:
        return history.since(tx, last, scope, REPLAYED)


class Events:
    """A stream of the events that match a scope and filters."""

    heartbeat = sse.HEARTBEAT

    def __init__(
        self, feed: Feed, position: int, begin: list[Told], selected: Scope, check: Callable[[], Scope]
    ) -> None:
        self._feed = feed
        self._position = position
        self._begin = begin
        self._selected = [(name, str(value)) for name, value in selected.items()]
        self._check = check

    def open(self, wake: Callable[[], None]) -> None:
        self._feed.watch(self, wake)

    def close(self) -> None:
        self._feed.unwatch(self)

    def check(self) -> None:
        self._check()

    def take(self) -> bytes | None:
        """Return the messages that have not been sent; None if some are lost, so that the client connects again."""
        try:
            told, self._position = self._feed.after(self._position)
        except Missed:
            return None
        told, self._begin = self._begin + told, []
        return b"".join(_text(each) for each in told if self._is_selected(each))

    def _is_selected(self, told: Told) -> bool:
        return all(str(told.values.get(name)) == value for name, value in self._selected)


def _text(told: Told) -> bytes:
    if not told.text:
        values = {field.name: told.values[field.name] for field in EVENT.fields}
        told.text = sse.message(values, told.serial)
    return told.text
