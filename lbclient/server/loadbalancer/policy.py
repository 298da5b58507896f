"""Authorization: which actions the sender of a request may perform, and which rows the sender may see."""

from __future__ import annotations

import sqlalchemy as sa

from ...resources import Resource
from ...store import prepared
from ...store.records import Record
from ...store.tables import TABLES
from ..access.context import Context
from ..errors import Forbidden, NoSuchParent, NotFound
from ..services import Services


def check(services: Services, who: Context, action: str, project_id: str | None = None) -> None:
    """Check that the sender may perform an action (such as loadbalancer:post) in a project, by default their own.

    Raises Forbidden.
    """
    if not allows(services, who, action, project_id or who.project_id):
        raise _refusal()


def allows(services: Services, who: Context, action: str, project_id: str | None) -> bool:
    return services.rules.allows(who, action, project_id or "")


def scope(services: Services, who: Context, resource: Resource) -> dict[str, str | None]:
    """Column filters for the rows that the sender may list ({} for global readers). Raises Forbidden."""
    if allows(services, who, f"{resource.name}:get_all-global", who.project_id):
        return {}
    check(services, who, f"{resource.name}:get_all")
    return {"project_id": who.project_id}


def visible(
    services: Services, tx: sa.Connection, who: Context, action: str, resource: Resource, id_: str, **parents: str
) -> Record:
    """Return the row that a path names, if the sender may perform the action on it. Raises NotFound and Forbidden.

    As in Octavia, a refusal reveals that the row exists, even if another project owns it, but nothing else of it.
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
    """Return the row that a body names, if the sender may perform the action on it.

    Raises Forbidden if the sender may at least see the row, otherwise NotFound, so that IDs of other projects look
    like IDs that do not exist.
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
    """Return the parent row that a path names. Raises Forbidden, and NoSuchParent if the row does not exist."""
    try:
        return visible(services, tx, who, action, resource, id_)
    except NotFound:
        raise NoSuchParent.named(resource.title.replace(" ", ""), id_) from None


def _refusal() -> Forbidden:
    return Forbidden("Policy does not allow this request to be performed.")
