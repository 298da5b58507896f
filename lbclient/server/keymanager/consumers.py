"""Consumers of secrets and containers: registered ones, and the load balancers that refer to them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...store import serials, tls_material
from ...store.keymanager_tables import CONSUMER
from ...store.times import now
from .. import errors
from ..attributes import Attribute, Values
from ..services import Services
from ..web.routing import Answer, Handler, Request
from . import access, pages
from .access import CONTAINERS, SECRETS, Kind
from .bodies import checked

SERVICE = "octavia"  # the service that load balancers are listed under as consumers
PATHS = {"listener": "listeners", "pool": "pools"}
OF_SECRETS = tuple(
    Attribute(name, is_required=True, shortest=1) for name in ("service", "resource_type", "resource_id")
)
OF_CONTAINERS = (
    Attribute("name", is_required=True, shortest=1, length=36),
    Attribute("URL", is_required=True, shortest=1),
)


def of_secrets(tx: sa.Connection, ids: list[str]) -> dict[str, list[Values]]:
    """Return the consumers of secrets, {secret ID: consumers}."""
    found: dict[str, list[Values]] = {id_: [] for id_ in ids}
    for row in _said(tx, ids):
        found[row.owner_id].append(_of_secret(row.service, row.resource_type, row.resource))
    for user in tls_material.users(tx, ids):
        found[user.used_id].append(_of_secret(SERVICE, user.resource, user.id))
    return found


def of_containers(tx: sa.Connection, request: Request, ids: list[str]) -> dict[str, list[Values]]:
    """Return the consumers of containers, {container ID: consumers}."""
    found: dict[str, list[Values]] = {id_: [] for id_ in ids}
    for row in _said(tx, ids):
        found[row.owner_id].append({"name": row.service, "URL": row.resource})
    root = request.base.removesuffix("/key-manager")
    for user in tls_material.users(tx, ids):
        url = f"{root}/load-balancer/v2.0/lbaas/{PATHS[user.resource]}/{user.id}"
        found[user.used_id].append({"name": SERVICE, "URL": url})
    return found


def _said(tx: sa.Connection, ids: list[str]) -> list[Any]:
    mine = sa.select(CONSUMER).where(CONSUMER.c.owner_id.in_(ids))
    return list(tx.execute(mine.order_by(CONSUMER.c.serial)))


def _of_secret(service: str, resource_type: str, resource_id: str) -> Values:
    return {"service": service, "resource_type": resource_type, "resource_id": resource_id}


def list_of(kind: Kind) -> Handler:
    """Return the handler that lists the registered consumers, page by page."""

    def handle(services: Services, request: Request, id_: str) -> Answer:
        with services.store.reading() as tx:
            row = access.visible(tx, kind, id_, request.who, "Consumer(s) retrieval")
            found = sa.select(CONSUMER).where(CONSUMER.c.owner_id == row.id).order_by(CONSUMER.c.serial)
            page = pages.of(tx, request, found)
        objects = [_present(kind, each) for each in page.rows]
        return Answer(pages.answer(request, f"{kind.plural}/{row.id}/consumers", "consumers", page, objects))

    return handle


def _present(kind: Kind, row: Any) -> Values:
    stamps = {"created": row.created, "updated": row.created, "status": "ACTIVE"}
    if kind is SECRETS:
        return {**_of_secret(row.service, row.resource_type, row.resource), **stamps}
    return {"name": row.service, "URL": row.resource, **stamps}


def key(kind: Kind, body: Any) -> Values:
    """Return the table columns that identify the consumer in a body. Raises BadRequest."""
    if kind is CONTAINERS:
        given = checked("Consumer", OF_CONTAINERS, body)
        return {"service": given["name"], "resource_type": "", "resource": given["URL"]}
    given = checked("Secret Consumer", OF_SECRETS, body)
    return {"service": given["service"], "resource_type": given["resource_type"], "resource": given["resource_id"]}


def add(tx: sa.Connection, request: Request, owner_id: str, given: Values) -> None:
    """Register a consumer, unless it is already registered."""
    if tx.execute(sa.select(CONSUMER.c.owner_id).where(_is(owner_id, given))).first() is None:
        stamps = {"created": now(), "serial": serials.of_row(tx)}
        owner = {"owner_id": owner_id, "project_id": request.who.project_id or ""}
        tx.execute(sa.insert(CONSUMER).values(given | stamps | owner))


def remove(tx: sa.Connection, request: Request, owner: Any, given: Values) -> None:
    """Remove a consumer, on behalf of its own project or the owner's. Raises NotFound or Forbidden."""
    row = tx.execute(sa.select(CONSUMER).where(_is(owner.id, given))).one_or_none()
    if row is None:
        raise errors.NotFound("Consumer not found.")
    if request.who.project_id not in (row.project_id, owner.project_id):
        raise errors.Forbidden("Not Allowed. Sorry, only the creator of a consumer can delete it.")
    tx.execute(sa.delete(CONSUMER).where(_is(owner.id, given)))


def _is(owner_id: str, given: Values) -> sa.ColumnElement[bool]:
    return sa.and_(CONSUMER.c.owner_id == owner_id, *(CONSUMER.c[name] == value for name, value in given.items()))
