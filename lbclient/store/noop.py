"""Load balancers of the no-op provider, which carries no traffic: changes are settled in the database alone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from . import observing, reading, settling
from .observing import Key
from .prepared import Prepared, by
from .tables import HEALTHMONITOR, LOADBALANCER, MEMBER, POOL, TABLES

NOTHING: Mapping[Any, str] = MappingProxyType({})


_ID: sa.BindParameter[str] = sa.bindparam("loadbalancer_id")


def is_settled(tx: sa.Connection, loadbalancer_id: str) -> bool:
    """Whether the load balancer has neither pending changes nor outdated operating statuses."""
    return _UNSETTLED.first(tx, loadbalancer_id=loadbalancer_id) is None


def settle(tx: sa.Connection, loadbalancer_id: str, reported: Mapping[str, str] = NOTHING) -> None:
    """Settle all changes within this transaction, since nothing has to be applied.

    `reported` has operating statuses of members, by ID, to show instead of the healthy ones.
    """
    loadbalancer = by(LOADBALANCER, "id").first(tx, id=loadbalancer_id)
    if loadbalancer is None:
        return
    rows = _UNSETTLED.all(tx, loadbalancer_id=loadbalancer_id)
    if len(rows) > settling.PART:
        settling.settle_members(tx, loadbalancer_id)
        rows = _UNSETTLED.all(tx, loadbalancer_id=loadbalancer_id)
    seen = {(row.name, row.id): row.revision for row in rows if not row.is_active}
    changed = {(row.name, row.id): row.healthy for row in rows if not row.is_same}
    settling.settle(tx, loadbalancer, seen, None, statuses=changed if not reported else {})
    if reported:
        show_health(tx, loadbalancer_id, reported)


def settle_part(tx: sa.Connection, loadbalancer_id: str, first: int, last: int) -> None:
    """Settle the members whose serials are in this range, as a part of settle(), which has to follow.

    All members of a load balancer that is being deleted are removed. Nothing is done unless it is still PENDING_*.
    """
    status = settling.provisioning_status(tx, loadbalancer_id) or ""
    if status == "PENDING_DELETE":
        settling.remove_members(tx, loadbalancer_id, first, last)
    elif status.startswith("PENDING_"):
        settling.activate_members(tx, loadbalancer_id, first, last)


def show_health(tx: sa.Connection, loadbalancer_id: str, reported: Mapping[str, str]) -> None:
    """Store the reported statuses of members, and those that follow for their pools and the load balancer."""
    rows = _UNSETTLED.all(tx, loadbalancer_id=loadbalancer_id)
    healthy: dict[Key, str] = {(row.name, row.id): row.healthy for row in rows if not row.is_same}
    known = reading.operating_statuses(tx, loadbalancer_id)
    members = list(tx.execute(sa.select(MEMBER).where(MEMBER.c.loadbalancer_id == loadbalancer_id)))
    found = {("member", each.id): _shown(each, reported, healthy) for each in members}
    for pool in tx.execute(sa.select(POOL).where(POOL.c.loadbalancer_id == loadbalancer_id)):
        mine = [found["member", each.id] for each in members if each.pool_id == pool.id and each.admin_state_up]
        found["pool", pool.id] = _summary(mine) if pool.admin_state_up else "OFFLINE"
    pools = [status for (name, _), status in found.items() if name == "pool" and status != "OFFLINE"]
    owner = by(LOADBALANCER, "id").first(tx, id=loadbalancer_id)
    if owner is not None and owner.admin_state_up:
        bad = "ERROR" if "ERROR" in pools else "DEGRADED"
        found["loadbalancer", loadbalancer_id] = bad if {"ERROR", "DEGRADED"} & set(pools) else "ONLINE"
    wanted = {**healthy, **found}
    changed = {key: status for key, status in wanted.items() if known.get(key, status) != status}
    observing.keep_statuses(tx, loadbalancer_id, changed, {})


def _shown(member: Any, reported: Mapping[str, str], healthy: Mapping[Key, str]) -> str:
    if not member.admin_state_up:
        return "OFFLINE"
    return reported.get(member.id) or healthy.get(("member", member.id), member.operating_status)


def _summary(members: list[str]) -> str:
    """Return the operating status of a pool from those of its enabled members."""
    if members and all(each == "ERROR" for each in members):
        return "ERROR"
    return "DEGRADED" if "ERROR" in members else "ONLINE"


def _healthy(table: sa.Table) -> sa.ColumnElement[Any]:
    """The status of a healthy row: ONLINE, NO_MONITOR for members without a health monitor, OFFLINE if disabled."""
    online: Any = "ONLINE"
    if table is MEMBER:
        monitored = sa.select(HEALTHMONITOR.c.pool_id).where(
            HEALTHMONITOR.c.loadbalancer_id == _ID, HEALTHMONITOR.c.provisioning_status != "PENDING_DELETE"
        )
        online = sa.case((table.c.pool_id.in_(monitored), "ONLINE"), else_="NO_MONITOR")
    return sa.case((table.c.admin_state_up, online), else_="OFFLINE")


def _unsettled(name: str, table: sa.Table) -> sa.Select[Any]:
    """Select the rows with pending changes and those whose operating status is not the healthy one."""
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
