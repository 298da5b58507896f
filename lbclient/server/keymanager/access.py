"""Access control for secrets and containers."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...store.keymanager_tables import ACL, CONTAINER, SECRET, is_current
from ...store.times import now
from .. import usual_quotas
from ..access.context import Context
from ..errors import Forbidden, NotFound
from ..services import Services
from ..web.routing import Request

USERS = {"admin", "member", "creator"}  # roles that may create secrets and containers


@dataclass(frozen=True)
class Kind:
    """A kind of object: its names and its table."""

    name: str
    plural: str
    table: sa.Table
    not_found: str


SECRETS = Kind("secret", "secrets", SECRET, "Secret not found.")
CONTAINERS = Kind("container", "containers", CONTAINER, "Secrets container not found.")


def project(request: Request, action: str) -> str:
    """Return the caller's project, if the caller may create objects in it. Raises Forbidden."""
    who = request.who
    if who.project_id is None or not who.roles & USERS:
        raise _forbidden(action)
    return who.project_id


def check_quota(services: Services, tx: sa.Connection, kind: Kind, project_id: str) -> None:
    """Check that a project may have one more object of this kind. Raises Forbidden, in Barbican's words."""
    if not usual_quotas.has_room(services, tx, kind.name, kind.table, project_id):
        most = usual_quotas.limit(services, kind.name)
        raise Forbidden(f"Quota reached for project {project_id}. Only {most} {kind.plural} are allowed")


def changeable(tx: sa.Connection, kind: Kind, id_: str, who: Context, action: str) -> Any:
    """Return the row, if the caller may change it. Raises NotFound or Forbidden."""
    row = find(tx, kind, id_)
    if not _is_ours(tx, row, who):
        raise _forbidden(action)
    return row


def deletable(tx: sa.Connection, kind: Kind, id_: str, who: Context, action: str) -> Any:
    """Return the row, if the caller may delete it, as an admin of any project may. Raises NotFound or Forbidden."""
    return find(tx, kind, id_) if who.is_admin else changeable(tx, kind, id_, who, action)


def visible(tx: sa.Connection, kind: Kind, id_: str, who: Context, action: str) -> Any:
    """Return the row, if the caller may read its metadata. Raises NotFound or Forbidden."""
    return find(tx, kind, id_) if who.is_admin else readable(tx, kind, id_, who, action)


def readable(tx: sa.Connection, kind: Kind, id_: str, who: Context, action: str) -> Any:
    """Return the row, if the caller may read its content. Raises NotFound or Forbidden."""
    row = find(tx, kind, id_)
    if who.user_id in _read_acl(tx, row.id)[1]:
        return row
    if not _is_ours(tx, row, who):
        raise _forbidden(action)
    return row


def _is_ours(tx: sa.Connection, row: Any, who: Context) -> bool:
    """Whether the row belongs to the caller's project and is not private to another user."""
    if row.project_id != who.project_id:
        return False
    if who.is_admin:
        return True
    is_private = not _read_acl(tx, row.id)[0]
    return bool(who.roles & USERS) and (row.creator_id == who.user_id or not is_private)


def _read_acl(tx: sa.Connection, owner_id: str) -> tuple[bool, list[str]]:
    """Return whether the project may read an object, and the users who may read it in addition."""
    acl = sa.select(ACL.c.project_access, ACL.c.users).where(ACL.c.owner_id == owner_id, ACL.c.operation == "read")
    found = tx.execute(acl).one_or_none()
    return (found.project_access, found.users) if found else (True, [])


def find(tx: sa.Connection, kind: Kind, id_: str) -> Any:
    """Return the row, without checking access. Expired secrets count as missing. Raises NotFound."""
    wanted = sa.select(kind.table).where(kind.table.c.id == _id(kind, id_))
    if kind is SECRETS:
        wanted = wanted.where(is_current(now()))
    row = tx.execute(wanted).one_or_none()
    if row is None:
        raise NotFound(kind.not_found)
    return row


def _id(kind: Kind, text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise NotFound(f"Not Found. Provided {kind.name} id is invalid.") from None


def _forbidden(action: str) -> Forbidden:
    return Forbidden(f"{action} attempt not allowed - please review your user/project privileges")
