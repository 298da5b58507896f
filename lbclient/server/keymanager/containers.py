"""Containers: groups of secrets, such as a certificate and its key."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ...store import serials, tls_material
from ...store.keymanager_tables import ACL, CONSUMER, CONTAINER, CONTENT, SECRET, is_current
from ...store.times import now
from .. import errors
from ..attributes import Attribute, Type, Values
from ..services import Services
from ..web.routing import Answer, Request
from . import access, consumers, pages, secrets
from .access import CONTAINERS
from .bodies import checked, invalid

SCHEMA, CONTENT_SCHEMA = "Container", "ContainerSecret"
# type: (required names, optional names); None: any names
NAMES: dict[str, tuple[set[str], set[str]] | None] = {
    "generic": None,
    "rsa": ({"public_key", "private_key"}, {"private_key_passphrase"}),
    "certificate": ({"certificate"}, {"private_key", "private_key_passphrase", "intermediates"}),
}
PROPERTIES = (
    Attribute("name", is_nullable=True),
    Attribute("type", is_required=True, choices=tuple(NAMES), length=None),
    Attribute("secret_refs", Type.LIST, maximum=1000),
)
CONTENTS = (
    Attribute("name", is_nullable=True),
    Attribute("secret_ref", is_required=True, shortest=1, length=1000),
)


def create(services: Services, request: Request) -> Answer:
    project_id = access.project(request, "Container creation")
    values = checked(SCHEMA, PROPERTIES, request.body)
    contents = [checked(SCHEMA, CONTENTS, each) for each in values.get("secret_refs", [])]
    _check_names(values["type"], [each.get("name") or "" for each in contents])
    id_ = str(uuid.uuid4())
    row = {"id": id_, "project_id": project_id, "creator_id": request.who.user_id, "name": values.get("name")}
    with services.store.writing() as tx:
        access.check_quota(services, tx, access.CONTAINERS, project_id)
        ids = [_secret(tx, project_id, each) for each in contents]
        if len(set(ids)) < len(ids):
            raise invalid(SCHEMA, "Duplicate secret ids are not allowed", "secret_refs")
        stamps = {"created": now(), "updated": now(), "serial": serials.of_row(tx)}
        tx.execute(sa.insert(CONTAINER).values(row | {"type": values["type"]} | stamps))
        for position, (each, secret_id) in enumerate(zip(contents, ids, strict=True)):
            place = {"container_id": id_, "secret_id": secret_id, "position": position}
            tx.execute(sa.insert(CONTENT).values(name=each.get("name"), **place))
    return Answer({"container_ref": href(request, id_)}, 201, {"Location": href(request, id_)})


def _check_names(kind: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise invalid(SCHEMA, "Duplicate reference names are not allowed", "secret_refs")
    rule = NAMES[kind]
    if rule is None or not names:  # Barbican, too, allows a container without secrets
        return
    needed, possible = rule
    if set(names) - needed - possible:
        allowed = ", ".join(sorted(needed | possible))
        raise invalid(SCHEMA, f"only the reference names {allowed} are allowed for type {kind}", "secret_refs")
    if needed - set(names):
        missing = ", ".join(sorted(needed))
        raise invalid(SCHEMA, f"the reference names {missing} are required for type {kind}", "secret_refs")


def _secret(tx: sa.Connection, project_id: str, content: Values) -> str:
    """Return the ID of the secret that a reference names, if it is the project's. Raises NotFound."""
    id_ = tls_material.id_of(content["secret_ref"])
    mine = (SECRET.c.id == id_) & (SECRET.c.project_id == project_id) & is_current(now())
    if id_ is None or tx.scalar(sa.select(SECRET.c.id).where(mine)) is None:
        raise errors.NotFound(f"Secret provided for '{content.get('name')}' doesn't exist.")
    return id_


def list_all(services: Services, request: Request) -> Answer:
    """List the project's containers, page by page."""
    project_id = access.project(request, "Containers(s) retrieval")
    query = dict(request.query)
    found = sa.select(CONTAINER).where(CONTAINER.c.project_id == project_id).order_by(CONTAINER.c.serial)
    for name in ("name", "type"):
        if query.get(name):
            found = found.where(CONTAINER.c[name] == query[name] if "\0" not in query[name] else sa.false())
    with services.store.reading() as tx:
        page = pages.of(tx, request, found)
        objects = _present(tx, request, page.rows)
    return Answer(pages.answer(request, "containers", "containers", page, objects))


def show(services: Services, request: Request, id_: str) -> Answer:
    with services.store.reading() as tx:
        row = access.visible(tx, CONTAINERS, id_, request.who, "Container retrieval")
        return Answer(one(tx, request, row))


def add_secret(services: Services, request: Request, id_: str) -> Answer:
    """Add a secret to a generic container."""
    with services.store.writing() as tx:
        row = _generic(tx, request, id_, "Container Secret creation")
        content = checked(CONTENT_SCHEMA, CONTENTS, request.body)
        secret_id = _secret(tx, row.project_id, content)
        inside = tx.execute(sa.select(CONTENT).where(CONTENT.c.container_id == row.id)).all()
        if any(each.secret_id == secret_id for each in inside):
            raise errors.Conflict("The secret is stored in this container already.")
        last = max((each.position for each in inside), default=-1)
        place = {"container_id": row.id, "secret_id": secret_id, "position": last + 1}
        tx.execute(sa.insert(CONTENT).values(name=content.get("name"), **place))
    return Answer({"container_ref": href(request, id_)}, 201, {"Location": href(request, id_)})


def remove_secret(services: Services, request: Request, id_: str) -> Answer:
    """Remove a secret from a generic container, without deleting the secret."""
    with services.store.writing() as tx:
        row = _generic(tx, request, id_, "Container Secret deletion")
        content = checked(CONTENT_SCHEMA, CONTENTS, request.body)
        secret_id = _secret(tx, row.project_id, content)
        one = (CONTENT.c.container_id == row.id) & (CONTENT.c.secret_id == secret_id)
        if tx.execute(sa.delete(CONTENT).where(one, CONTENT.c.name == content.get("name"))).rowcount == 0:
            raise errors.NotFound("Secret provided is not in the container")
    return Answer(status=204)


def _generic(tx: sa.Connection, request: Request, id_: str, action: str) -> Any:
    """Return the container, if it is generic and may be changed. Raises NotFound, Forbidden or BadRequest."""
    row = access.changeable(tx, CONTAINERS, id_, request.who, action)
    if row.type != "generic":
        raise errors.BadRequest("Only 'generic' containers can be modified.")
    return row


def delete(services: Services, request: Request, id_: str) -> Answer:
    """Delete a container, without deleting its secrets."""
    with services.store.writing() as tx:
        row = access.deletable(tx, CONTAINERS, id_, request.who, "Container deletion")
        affected = tls_material.loadbalancers_with(tx, [row.id])
        tx.execute(sa.delete(CONTENT).where(CONTENT.c.container_id == row.id))
        for table in (ACL, CONSUMER):
            tx.execute(sa.delete(table).where(table.c.owner_id == row.id))
        tx.execute(sa.delete(CONTAINER).where(CONTAINER.c.id == row.id))
    services.wake(affected)
    return Answer(status=204)


def href(request: Request, id_: str) -> str:
    return f"{request.base}/v1/containers/{id_}"


def one(tx: sa.Connection, request: Request, row: Any) -> Values:
    """Return the representation of a container, with references to its secrets."""
    return _present(tx, request, [row])[0]


def _present(tx: sa.Connection, request: Request, found: Sequence[Any]) -> list[Values]:
    ids = [row.id for row in found]
    inside: dict[str, list[Values]] = {id_: [] for id_ in ids}
    wanted = sa.select(CONTENT).where(CONTENT.c.container_id.in_(ids)).order_by(CONTENT.c.position)
    for content in tx.execute(wanted):
        reference = {"name": content.name, "secret_ref": secrets.href(request, content.secret_id)}
        inside[content.container_id].append(reference)
    users = consumers.of_containers(tx, request, ids)
    return [
        {
            "container_ref": href(request, row.id),
            **{name: getattr(row, name) for name in ("name", "type", "creator_id", "created", "updated")},
            "status": "ACTIVE",
            "secret_refs": inside[row.id],
            "consumers": users[row.id],
        }
        for row in found
    ]
