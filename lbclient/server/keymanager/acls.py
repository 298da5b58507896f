"""ACLs: whether the project may read a secret or a container, and which other users may."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...store.keymanager_tables import ACL
from ...store.times import now
from ..attributes import Attribute, Type, Values
from ..services import Services
from ..web.routing import Answer, Handler, Request
from . import access
from .access import Kind
from .bodies import checked, invalid

SCHEMA = "ACL"
OPERATIONS = tuple(Attribute(name, Type.OBJECT, maximum=2) for name in ("read", "write", "delete", "list"))
RULE = (Attribute("users", Type.LIST, maximum=1000), Attribute("project-access", Type.BOOLEAN))
DEFAULT = {"read": {"project-access": True}}


def show(kind: Kind) -> Handler:
    def handle(services: Services, request: Request, id_: str) -> Answer:
        with services.store.reading() as tx:
            row = access.changeable(tx, kind, id_, request.who, f"{kind.name.title()}ACL(s) retrieval")
            return Answer(_present(tx, row.id) or DEFAULT)

    return handle


def replace(kind: Kind) -> Handler:
    """Return the handler of PUT, which removes the rules of operations that are not in the body."""
    return _writer(kind, is_partial=False)


def change(kind: Kind) -> Handler:
    """Return the handler of PATCH, which keeps what is not in the body."""
    return _writer(kind, is_partial=True)


def _writer(kind: Kind, is_partial: bool) -> Handler:
    def handle(services: Services, request: Request, id_: str) -> Answer:
        rules = _rules(request.body)
        with services.store.writing() as tx:
            row = access.changeable(tx, kind, id_, request.who, f"{kind.name.title()}ACL(s) Update")
            before = _present(tx, row.id)
            kept = before if is_partial else {}
            tx.execute(sa.delete(ACL).where(ACL.c.owner_id == row.id))
            for operation, rule in {**kept, **rules}.items():
                _insert(tx, row.id, operation, before.get(operation, {}), kept.get(operation, {}) | rule)
        return Answer({"acl_ref": f"{request.base}/v1/{kind.plural}/{row.id}/acl"})

    return handle


def _rules(body: Any) -> dict[str, Values]:
    rules = {operation: checked(SCHEMA, RULE, rule) for operation, rule in checked(SCHEMA, OPERATIONS, body).items()}
    if not rules:
        raise invalid(SCHEMA, "it names no operation", "read")
    for rule in rules.values():
        for user in rule.get("users", ()):
            checked(SCHEMA, (Attribute("users"),), {"users": user})
    return rules


def _insert(tx: sa.Connection, owner_id: str, operation: str, before: Values, rule: Values) -> None:
    row = {
        "project_access": rule.get("project-access", True),
        "users": list(dict.fromkeys(rule.get("users", []))),
        "created": before.get("created", now()),
        "updated": now(),
    }
    tx.execute(sa.insert(ACL).values(owner_id=owner_id, operation=operation, **row))


def delete(kind: Kind) -> Handler:
    """Return the handler that restores the default ACL."""

    def handle(services: Services, request: Request, id_: str) -> Answer:
        with services.store.writing() as tx:
            row = access.changeable(tx, kind, id_, request.who, f"{kind.name.title()}ACL(s) deletion")
            tx.execute(sa.delete(ACL).where(ACL.c.owner_id == row.id))
        return Answer()

    return handle


def _present(tx: sa.Connection, owner_id: str) -> dict[str, Values]:
    return {
        row.operation: {
            "project-access": row.project_access,
            "users": row.users,
            "created": row.created,
            "updated": row.updated,
        }
        for row in tx.execute(sa.select(ACL).where(ACL.c.owner_id == owner_id).order_by(ACL.c.operation))
    }
