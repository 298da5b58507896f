"""Who may do what, and what exists for whom."""

from __future__ import annotations

import sqlalchemy as sa

from ...resources import Resource
from ...store import prepared
from ...store.snapshot import Record
from ...store.tables import TABLES
from ..access.context import Context
from ..errors import Forbidden, NoSuchParent, NotFound
from ..services import Services


def check(services: Services, who: Context, action: str, project_id: str | None = None) -> None:
    """Somebody may do something (loadbalancer:post) to what belongs to a project, their own if none is named.

    Raises Forbidden.
    """
    if not allows(services, who, action, project_id or who.project_id):
        raise _refusal()


def allows(services: Services, who: Context, action: str, project_id: str | None) -> bool:
    return services.rules.allows(who, action, project_id or "")


def scope(services: Services, who: Context, resource: Resource) -> dict[str, str | None]:
    """What the rows in the sender's lists have in common: they are the project's, or anybody's. Raises Forbidden."""
    if allows(services, who, f"{resource.name}:get_all-global", who.project_id):
        return {}
    check(services, who, f"{resource.name}:get_all")
    return {"project_id": who.project_id}


def visible(
    services: Services, tx: sa.Connection, who: Context, action: str, resource: Resource, id_: str, **parents: str
) -> Record:
    """The row that a path names, if the sender may do this to it. Raises NotFound and Forbidden.

    As in Octavia, who may not is told so, whoever owns the row; nothing else of it is told.
    """
    row = prepared.by(TABLES[resource.name], "id", *parents).first(tx, id=id_, **parents)
    if row is None:
        raise NotFound.named(resource.title, id_)
    if not allows(services, who, action, row.project_id):
        raise _refusal()
    return row


def referenced(
    services: Services, tx: sa.Connection, who: Context, action: str, resource: Resource, id_: str
) -> Record:
    """The row that a body names, if the sender may do this to it.

    Raises Forbidden where the sender may see it, else NotFound: a foreign ID reads as one that does not exist.
    """
    try:
        return visible(services, tx, who, action, resource, id_)
    except Forbidden:
        project_id = prepared.by(TABLES[resource.name], "id").one(tx, id=id_).project_id
        if project_id == who.project_id or allows(services, who, f"{resource.name}:get_one", project_id):
            raise
    raise NotFound.named(resource.title, id_)


def visible_parent(
    services: Services, tx: sa.Connection, who: Context, action: str, resource: Resource, id_: str
) -> Record:
    """The row inside whose path something is done. Raises Forbidden, and NoSuchParent where others raise NotFound."""
    try:
        return visible(services, tx, who, action, resource, id_)
    except NotFound:
        raise NoSuchParent.named(resource.title.replace(" ", ""), id_) from None


def _refusal() -> Forbidden:
    return Forbidden("Policy does not allow this request to be performed.")
