"""Functions shared by all kinds of objects: create, list, show, find, change, check ownership, edit tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from ...strings import is_storable
from .. import errors, usual_quotas
from ..access.context import Context
from ..attributes import Kind, Type
from ..services import Services
from ..web.routing import Answer, Handler, Request
from . import bodies, listing, rows, unkept
from .bodies import Values, bad, disallowed
from .listing import Presenter

MOST_TAGS = 50
Adder = Callable[[sa.Connection, Request, Values], str]  # creates an object from checked values; returns its ID
Affected = Callable[[sa.Connection, Sequence[str]], list[str]]  # the load balancers to wake because of new objects


def list_of(kind: Kind, present: Presenter) -> Handler:
    def handle(services: Services, request: Request) -> Answer:
        with services.store.reading() as tx:
            return listing.listed(tx, kind, request, present)

    return handle


def create(
    kind: Kind,
    add: Adder,
    present: Presenter,
    affected: Affected | None = None,
    warnings: Callable[[Values], Sequence[str]] = lambda values: (),
) -> Handler:
    """Return the handler of a POST of one object or of several, of which all are created or none.

    `warnings` returns what the answer has to say about the values of an object that have no effect.
    """

    def handle(services: Services, request: Request) -> Answer:
        many = bodies.created(kind, request.body, request.who)
        texts = [text for each in many for text in warnings(each)]
        with services.store.writing() as tx:
            _check_quotas(services, tx, kind, many)
            ids = [add(tx, request, values) for values in many]
            found = {row.id: row for row in tx.execute(sa.select(kind.table).where(kind.table.c.id.in_(ids)))}
            made = present(tx, [found[id_] for id_ in ids])
            woken = affected(tx, ids) if affected else []
        services.wake(woken)
        headers = unkept.warning(*texts)
        return Answer({kind.plural: made} if kind.plural in request.body else {kind.name: made[0]}, 201, headers)

    return handle


def _check_quotas(services: Services, tx: sa.Connection, kind: Kind, new: Sequence[Values]) -> None:
    """Check that the projects may have the new objects. Raises errors.Conflict, in Neutron's words."""
    name = "qos_policy" if kind.name == "policy" else kind.name
    for project_id, count in Counter(values["project_id"] for values in new).items():
        if not usual_quotas.has_room(services, tx, name, kind.table, project_id, count):
            raise errors.Conflict(f"Quota exceeded for resources: ['{name}'].", kind="OverQuota")


def show(kind: Kind, present: Presenter) -> Handler:
    def handle(services: Services, request: Request, id_: str) -> Answer:
        with services.store.reading() as tx:
            object_ = present(tx, [existing(tx, kind, id_, request.who)])[0]
            return Answer({kind.name: listing.selected(request, object_)})

    return handle


def existing(tx: sa.Connection, kind: Kind, id_: str, who: Context) -> Any:
    """Return the row. Raises errors.NotFound if it does not exist or the project may not see it."""
    row = rows.find(tx, kind.table, id_, who) if is_storable(id_) else None
    if row is None:
        raise errors.NotFound(f"{kind.title} {id_} could not be found.", kind=kind.not_found)
    return row


def own(tx: sa.Connection, kind: Kind, id_: str, who: Context, action: str) -> Any:
    """Return a row that the sender may change. Raises errors.NotFound and errors.Forbidden."""
    row = existing(tx, kind, id_, who)
    if row.project_id != who.project_id and not who.is_admin:
        raise disallowed(f"{action}_{kind.name}")
    return row


def columns(kind: Kind, values: Values) -> Values:
    """Return checked values by the names of their columns, without those that have no column."""
    named = {name: kind[name] for name in values}
    return {
        attribute.column_name: values[name]
        for name, attribute in named.items()
        if attribute is not None and attribute.column_name is not None
    }


def change(tx: sa.Connection, kind: Kind, row: Any, changed: Values) -> Any:
    """Update columns of a row and return the updated row."""
    if changed:
        stamps = {"updated_at": rows.now(), "revision_number": row.revision_number + 1}
        tx.execute(sa.update(kind.table).where(kind.table.c.id == row.id).values({**changed, **stamps}))
    return tx.execute(sa.select(kind.table).where(kind.table.c.id == row.id)).one()


def tags(kind: Kind) -> Handler:
    def handle(services: Services, request: Request, id_: str) -> Answer:
        with services.store.reading() as tx:
            return Answer({"tags": existing(tx, kind, id_, request.who).tags})

    return handle


def replace_tags(kind: Kind) -> Handler:
    def handle(services: Services, request: Request, id_: str) -> Answer:
        wanted = _tags(request.body)
        return _retag(services, request, kind, id_, lambda _: wanted)

    return handle


def add_tags(kind: Kind) -> Handler:
    def handle(services: Services, request: Request, id_: str) -> Answer:
        more = _tags(request.body)
        answer = _retag(services, request, kind, id_, lambda known: list(dict.fromkeys([*known, *more])))
        return Answer(answer.body, 201)

    return handle


def has_tag(kind: Kind) -> Handler:
    def handle(services: Services, request: Request, id_: str, tag: str) -> Answer:
        with services.store.reading() as tx:
            if tag not in existing(tx, kind, id_, request.who).tags:
                raise _no_tag(tag)
        return Answer(status=204)

    return handle


def clear_tags(kind: Kind) -> Handler:
    def handle(services: Services, request: Request, id_: str) -> Answer:
        _retag(services, request, kind, id_, lambda _: [])
        return Answer(status=204)

    return handle


def add_tag(kind: Kind) -> Handler:
    def handle(services: Services, request: Request, id_: str, tag: str) -> Answer:
        checked = _tags({"tags": [tag]})
        _retag(services, request, kind, id_, lambda known: list(dict.fromkeys([*known, *checked])))
        return Answer(status=201)

    return handle


def remove_tag(kind: Kind) -> Handler:
    def handle(services: Services, request: Request, id_: str, tag: str) -> Answer:
        def without(known: list[str]) -> list[str]:
            if tag not in known:
                raise _no_tag(tag)
            return [each for each in known if each != tag]

        _retag(services, request, kind, id_, without)
        return Answer(status=204)

    return handle


def _no_tag(tag: str) -> errors.NotFound:
    return errors.NotFound(f"Tag {tag} could not be found.", kind="TagNotFound")


def _retag(
    services: Services, request: Request, kind: Kind, id_: str, edit: Callable[[list[str]], list[str]]
) -> Answer:
    with services.store.writing() as tx:
        row = own(tx, kind, id_, request.who, "update")
        return Answer({"tags": change(tx, kind, row, {"tags": edit(row.tags)}).tags})


def _tags(body: Any) -> list[str]:
    given = body.get("tags") if isinstance(body, dict) else None
    if not isinstance(given, list) or len(given) > MOST_TAGS:
        raise bad(f"Invalid input for tags. Reason: it should be a {Type.TEXTS.value}, {MOST_TAGS} at most.")
    for tag in given:
        if not isinstance(tag, str) or not 0 < len(tag) <= 255 or not is_storable(tag):
            raise bad(f"Invalid input for tags. Reason: '{tag}' is not a valid tag.")
    return list(dict.fromkeys(given))
