"""Load balancers that nothing runs for: their provider carries no traffic."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from . import haste, settling
from .prepared import Prepared, by
from .tables import HEALTHMONITOR, LOADBALANCER, MEMBER, TABLES

MANY = 50  # rows that are settled soon

_ID: sa.BindParameter[str] = sa.bindparam("loadbalancer_id")


def is_settled(tx: sa.Connection, loadbalancer_id: str) -> bool:
    """Whether everything has taken effect already."""
    return _UNSETTLED.first(tx, loadbalancer_id=loadbalancer_id) is None


def settle(tx: sa.Connection, loadbalancer_id: str) -> None:
    """Let everything that was changed take effect within this transaction: there is nobody to wait for."""
    loadbalancer = by(LOADBALANCER, "id").first(tx, id=loadbalancer_id)
    if loadbalancer is None:
        return
    rows = _UNSETTLED.all(tx, loadbalancer_id=loadbalancer_id)
    if len(rows) > MANY:
        haste.may_wait()
    seen = {(row.name, row.id): row.revision for row in rows if not row.is_active}
    changed = {(row.name, row.id): row.healthy for row in rows if not row.is_same}
    settling.settle(tx, loadbalancer, seen, None, statuses=changed)


def _healthy(table: sa.Table) -> sa.ColumnElement[Any]:
    """What would be observed if all went well: whatever is enabled is ONLINE, as far as anything monitors it."""
    online: Any = "ONLINE"
    if table is MEMBER:
        monitored = sa.select(HEALTHMONITOR.c.pool_id).where(
            HEALTHMONITOR.c.loadbalancer_id == _ID, HEALTHMONITOR.c.provisioning_status != "PENDING_DELETE"
        )
        online = sa.case((table.c.pool_id.in_(monitored), "ONLINE"), else_="NO_MONITOR")
    return sa.case((table.c.admin_state_up, online), else_="OFFLINE")


def _unsettled(name: str, table: sa.Table) -> sa.Select[Any]:
    """The rows that were changed, and those whose status follows from what was."""
    is_same = table.c.operating_status == _healthy(table)
    is_active = table.c.provisioning_status == "ACTIVE"
    return sa.select(
        sa.literal_column(f"'{name}'").label("name"),
        table.c.id,
        table.c.revision,
        _healthy(table).label("healthy"),
        is_same.label("is_same"),
        is_active.label("is_active"),
    ).where(
        (table.c.id if table is LOADBALANCER else table.c.loadbalancer_id) == _ID,
        ~is_active | ~is_same,
    )


_UNSETTLED = Prepared(sa.union_all(*(_unsettled(name, table) for name, table in TABLES.items())))
