"""Who may do what, and what exists for whom."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ..resources import Resource
from ..store.snapshot import Record
from ..store.tables import TABLES
from .errors import Forbidden, NotFound
from .http import Context

READERS = {"reader", "member", "load-balancer_observer", "load-balancer_member"}
WRITERS = {"member", "load-balancer_member"}
GLOBAL_READERS = {"admin", "load-balancer_global_observer", "load-balancer_admin"}
GLOBAL_WRITERS = {"admin", "load-balancer_admin"}


def may_read(who: Context) -> None:
    """Raises Forbidden."""
    _need(who, READERS, GLOBAL_READERS)


def may_write(who: Context) -> None:
    """Raises Forbidden."""
    _need(who, WRITERS, GLOBAL_WRITERS)


def may_administer(who: Context) -> None:
    """What is the operator's alone. Raises Forbidden."""
    _need(who, set(), GLOBAL_WRITERS)


def may_set_quotas(who: Context) -> None:
    """Raises Forbidden."""
    _need(who, set(), {"admin", "load-balancer_admin", "load-balancer_quota_admin"})


def may_read_quotas(who: Context, project_id: str) -> None:
    """A project's own; everybody's for some roles. Raises Forbidden."""
    everywhere = GLOBAL_READERS | {"load-balancer_quota_admin"}
    _need(who, READERS if who.project_id == project_id else set(), everywhere)


def scope(who: Context, table: sa.Table) -> list[sa.ColumnElement[bool]]:
    """The condition that a row exists for the sender: it is the project's, or everything is."""
    return [] if who.roles & GLOBAL_READERS else [table.c.project_id == who.project_id]


def visible(tx: sa.Connection, who: Context, resource: Resource, id_: str, **parents: str) -> Record:
    """The row, if it exists for the sender. Raises NotFound: a foreign ID reads as one that does not exist."""
    table = TABLES[resource.name]
    inside: list[Any] = [table.c[name] == value for name, value in parents.items()]
    row = tx.execute(sa.select(table).where(table.c.id == id_, *inside, *scope(who, table))).one_or_none()
    if row is None:
        raise NotFound.named(resource.title, id_)
    return row


def _need(who: Context, roles: set[str], global_roles: set[str]) -> None:
    if who.roles & global_roles or (who.project_id and who.roles & roles):
        return
    raise Forbidden("Policy does not allow this request to be performed.")
