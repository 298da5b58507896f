"""Reading a load balancer from the database: its whole tree, its statuses and its totals."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from .. import resources
from . import admission, network_tables, tls_material
from .prepared import Prepared, by
from .records import L7PolicyRecord, LoadBalancerRecord, Record
from .snapshot import Snapshot
from .tables import HEALTHMONITOR, L7POLICY, L7RULE, LISTENER, LOADBALANCER, MEMBER, POOL, STATISTICS, TABLES

CHILDREN = (LISTENER, POOL, MEMBER, HEALTHMONITOR, L7POLICY, L7RULE)

_ID: sa.BindParameter[str] = sa.bindparam("loadbalancer_id")
_PRESENT = Prepared(
    sa.select(*(sa.exists().where(table.c.loadbalancer_id == _ID).label(table.name) for table in CHILDREN))
)
_STATUSES = Prepared(
    sa.union_all(
        *(
            sa.select(sa.literal_column(f"'{name}'").label("name"), table.c.id, table.c.operating_status).where(
                (table.c.id if table is LOADBALANCER else table.c.loadbalancer_id) == _ID
            )
            for name, table in TABLES.items()
        )
    )
)


def snapshot(
    tx: sa.Connection, loadbalancer_id: str, with_deleted: bool = False, with_members: bool = True
) -> Snapshot | None:
    """Return the whole load balancer as this transaction sees it; None if it does not exist.

    Rows that are being deleted are included only if asked for; members, which may be many, can be left out.
    """
    loadbalancer = by(LOADBALANCER, "id").first(tx, id=loadbalancer_id)
    if loadbalancer is None:
        return None
    present = _PRESENT.one(tx, loadbalancer_id=loadbalancer_id)
    rows = {
        table.name: by(table, "loadbalancer_id").all(tx, loadbalancer_id=loadbalancer_id)
        if is_present and (with_members or table is not MEMBER)
        else []
        for table, is_present in zip(CHILDREN, present, strict=True)
    }
    unsettled = {
        (name, row.id): row.revision
        for name, found in rows.items()
        for row in found
        if row.provisioning_status != "ACTIVE"
    }
    kept = {
        name: [row for row in found if with_deleted or row.provisioning_status != "PENDING_DELETE"]
        for name, found in rows.items()
    }
    return Snapshot(
        loadbalancer=loadbalancer,
        is_deleted=loadbalancer.provisioning_status == "PENDING_DELETE",
        addresses=addresses(tx, loadbalancer),
        listeners=tuple(kept["listener"]),
        pools=tuple(kept["pool"]),
        members=_grouped(kept["pool"], kept["member"], "pool_id"),
        healthmonitors={monitor.pool_id: monitor for monitor in kept["healthmonitor"]},
        l7policies=_grouped(kept["listener"], sorted(kept["l7policy"], key=_position), "listener_id"),
        l7rules=_grouped(kept["l7policy"], kept["l7rule"], "l7policy_id"),
        seen={**unsettled, ("loadbalancer", loadbalancer.id): loadbalancer.revision},
        certificates=tls_material.of_rows(tx, kept["listener"], kept["pool"]),
        admitted=admission.admitted(tx, loadbalancer, kept["listener"]),
    )


def addresses(tx: sa.Connection, loadbalancer: LoadBalancerRecord) -> tuple[str, ...]:
    """Return all addresses of a load balancer: the VIP, additional VIPs, floating IPs."""
    ports = [loadbalancer.vip_port_id, *(vip["port_id"] for vip in loadbalancer.additional_vips)]
    vips = [loadbalancer.vip_address, *(vip["ip_address"] for vip in loadbalancer.additional_vips)]
    return (*vips, *network_tables.floating_addresses(tx, ports))


def operating_statuses(tx: sa.Connection, loadbalancer_id: str) -> dict[tuple[str, str], str]:
    """Return the operating statuses of a load balancer and all its parts, {(resource name, id): status}."""
    found = _STATUSES.all(tx, loadbalancer_id=loadbalancer_id)
    return {(row.name, row.id): row.operating_status for row in found}


def totals(tx: sa.Connection, condition: sa.ColumnElement[bool]) -> dict[str, dict[str, int]]:
    """Return the stored totals of the listeners that meet a condition, {listener ID: {counter: total}}."""
    joined = sa.join(STATISTICS, LISTENER, STATISTICS.c.listener_id == LISTENER.c.id)
    rows = tx.execute(sa.select(STATISTICS).select_from(joined).where(condition))
    return {row.listener_id: {name: getattr(row, name) for name in resources.STATISTICS} for row in rows}


def _grouped(owners: Iterable[Record], rows: Iterable[Record], key: str) -> dict[str, tuple[Record, ...]]:
    groups: dict[str, list[Record]] = {owner.id: [] for owner in owners}
    for row in rows:
        if getattr(row, key) in groups:  # missing if the owner is being deleted
            groups[getattr(row, key)].append(row)
    return {owner: tuple(group) for owner, group in groups.items()}


def _position(policy: L7PolicyRecord) -> int:
    return policy.position
