"""Reading a load balancer from the database: its whole tree, its statuses and its totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import sqlalchemy as sa

from .. import resources
from . import admission, network_tables, placing, shaping, tls_material, vip_groups
from .prepared import Prepared, by
from .records import L7PolicyRecord, LoadBalancerRecord, MemberRecord, Record
from .snapshot import Snapshot
from .tables import HEALTHMONITOR, L7POLICY, L7RULE, LISTENER, LOADBALANCER, MEMBER, POOL, STATISTICS, TABLES

MOVING = "moving"  # the host of a load balancer that has to end on one before it starts on another
BOOKKEEPING = ("provisioning_status", "operating_status", "fault", "revision", "updated_at")
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


_CHANGED_MEMBERS = Prepared(
    sa.select(MEMBER)
    .where(MEMBER.c.loadbalancer_id == _ID, MEMBER.c.revision > sa.bindparam("revision"))
    .order_by(MEMBER.c.serial)
)
_UNSETTLED = Prepared(
    sa.union_all(
        *(
            sa.select(sa.literal_column(f"'{name}'").label("name"), table.c.id, table.c.revision).where(
                (table.c.id if table is LOADBALANCER else table.c.loadbalancer_id) == _ID,
                table.c.revision <= sa.bindparam("revision"),
                table.c.provisioning_status != "ACTIVE",
            )
            for name, table in TABLES.items()
        )
    )
)
_COUNT_MEMBERS = Prepared(sa.select(sa.func.count()).select_from(MEMBER).where(MEMBER.c.loadbalancer_id == _ID))
_SMALL_STATUSES = Prepared(
    sa.union_all(
        *(
            sa.select(sa.literal_column(f"'{name}'").label("name"), table.c.id, table.c.operating_status).where(
                (table.c.id if table is LOADBALANCER else table.c.loadbalancer_id) == _ID,
                table.c.operating_status == "ERROR" if table is MEMBER else sa.true(),
            )
            for name, table in TABLES.items()
        )
    )
)
MANY = 100  # members whose statuses are read one by one; for more, those of all
_MEMBER_STATUS = Prepared(sa.select(MEMBER.c.operating_status).where(MEMBER.c.id == sa.bindparam("row_id")))


def continued(tx: sa.Connection, before: Snapshot) -> Snapshot | None:
    """Return the current snapshot of a load balancer by reading only the members that changed since an earlier one.

    All changes that the earlier one saw have to be settled without an error. Members that have not changed are the same
    objects. None if all members have to be read: some are missing without having been marked.
    """
    id_ = before.loadbalancer.id
    now = snapshot(tx, id_, with_members=False, host_id=before.host_id)
    if now is None:
        return None
    changed = _CHANGED_MEMBERS.all(tx, loadbalancer_id=id_, revision=before.loadbalancer.revision)
    touched = frozenset(row.id for row in changed)
    kept = [row for row in changed if row.provisioning_status != "PENDING_DELETE"]
    members = _grouped(now.pools, (), "pool_id")
    known: set[str] = set()
    for pool_id, rows in before.members.items():
        if touched:
            present = {row.id for row in rows} & touched
            known |= present
        if pool_id not in members:
            continue
        mine = {row.id: row for row in kept if row.pool_id == pool_id} if touched else {}
        if touched and (present or mine):
            updated = [mine.pop(row.id, None) if row.id in touched else row for row in rows]
            rows = tuple(sorted((row for row in (*updated, *mine.values()) if row is not None), key=_serial))
        members[pool_id] = rows
    for pool_id in members.keys() - before.members.keys():
        members[pool_id] = tuple(row for row in kept if row.pool_id == pool_id)
    total = sum(map(len, before.members.values())) + len(touched - known)
    if _COUNT_MEMBERS.scalar(tx, loadbalancer_id=id_) != total:
        return None
    unsettled = {("member", row.id): row.revision for row in changed if row.provisioning_status != "ACTIVE"}
    is_only_members = _is_same_apart_from_members(before, now)
    return replace(now, members=members, seen={**now.seen, **unsettled}, touched=touched if is_only_members else None)


def _is_same_apart_from_members(before: Snapshot, now: Snapshot) -> bool:
    """Whether nothing that was wanted of other resources has changed; changes of members mark these as changed, too."""
    if before.addresses != now.addresses or before.is_deleted != now.is_deleted or before.amphora_id != now.amphora_id:
        return False
    old, new = _others(before), _others(now)
    return len(old) == len(new) and all(
        one.id == other.id and (one.revision == other.revision or _desired(one) == _desired(other))
        for one, other in zip(old, new, strict=True)
    )


def _others(snapshot: Snapshot) -> list[Record]:
    return [
        snapshot.loadbalancer,
        *snapshot.listeners,
        *snapshot.pools,
        *snapshot.healthmonitors.values(),
        *(each for policies in snapshot.l7policies.values() for each in policies),
        *(each for rules in snapshot.l7rules.values() for each in rules),
    ]


def _desired(row: Record) -> dict[str, object]:
    return {name: value for name, value in row._mapping.items() if name not in BOOKKEEPING}


def snapshot(
    tx: sa.Connection,
    loadbalancer_id: str,
    with_deleted: bool = False,
    with_members: bool = True,
    host_id: str | None = None,
) -> Snapshot | None:
    """Return the whole load balancer as this transaction sees it; None if it does not exist.

    Of a load balancer on two hosts, it is the snapshot for the given one, or else for the first.

    Rows that are being deleted are included only if asked for; members, which may be many, can be left out.
    """
    loadbalancer = by(LOADBALANCER, "id").first(tx, id=loadbalancer_id)
    if loadbalancer is None:
        return None
    rows = _children(tx, loadbalancer_id, with_members)
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
    amphorae = placing.amphorae(tx, loadbalancer_id)
    amphora = next((each for each in amphorae if each.host_id == host_id), amphorae[0] if amphorae else None)
    return Snapshot(
        loadbalancer=loadbalancer,
        amphora_id=amphora.id if amphora else None,
        host_id=(MOVING if amphora.moving_to else amphora.host_id) if amphora else None,
        role=amphora.role if amphora else None,
        peers=vip_groups.peers(tx, amphorae),
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
        shaping=shaping.shaping(tx, loadbalancer),
    )


def _children(tx: sa.Connection, loadbalancer_id: str, with_members: bool) -> dict[str, list[Record]]:
    """Return the rows of a load balancer's parts, by the names of tables, each read only if it has any."""
    present = _PRESENT.one(tx, loadbalancer_id=loadbalancer_id)
    return {
        table.name: by(table, "loadbalancer_id").all(tx, loadbalancer_id=loadbalancer_id)
        if is_present and (with_members or table is not MEMBER)
        else []
        for table, is_present in zip(CHILDREN, present, strict=True)
    }


def addresses(tx: sa.Connection, loadbalancer: LoadBalancerRecord) -> tuple[str, ...]:
    """Return all addresses of a load balancer: the VIP, additional VIPs, floating IPs."""
    ports = [loadbalancer.vip_port_id, *(vip["port_id"] for vip in loadbalancer.additional_vips)]
    vips = [loadbalancer.vip_address, *(vip["ip_address"] for vip in loadbalancer.additional_vips)]
    return (*vips, *network_tables.floating_addresses(tx, ports))


def operating_statuses(tx: sa.Connection, loadbalancer_id: str) -> dict[tuple[str, str], str]:
    """Return the operating statuses of a load balancer and all its parts, {(resource name, id): status}."""
    found = _STATUSES.all(tx, loadbalancer_id=loadbalancer_id)
    return {(row.name, row.id): row.operating_status for row in found}


def changeable_statuses(tx: sa.Connection, loadbalancer_id: str, members: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return the same without members that are neither among the given ones nor in ERROR."""
    ids = frozenset(members)
    if len(ids) > MANY:
        known = operating_statuses(tx, loadbalancer_id)
        return {
            key: status for key, status in known.items() if key[0] != "member" or key[1] in ids or status == "ERROR"
        }
    found = _SMALL_STATUSES.all(tx, loadbalancer_id=loadbalancer_id)
    known = {(row.name, row.id): row.operating_status for row in found}
    for id_ in ids:
        status = _MEMBER_STATUS.scalar(tx, row_id=id_)
        if status is not None:
            known["member", id_] = status
    return known


def seen_until(tx: sa.Connection, loadbalancer_id: str, revision: int) -> dict[tuple[str, str], int]:
    """Return the unsettled rows, with their revisions, that a snapshot of the load balancer's revision has seen."""
    rows = _UNSETTLED.all(tx, loadbalancer_id=loadbalancer_id, revision=revision)
    return {**{(row.name, row.id): row.revision for row in rows}, (LOADBALANCER.name, loadbalancer_id): revision}


def totals(
    tx: sa.Connection, condition: sa.ColumnElement[bool], host_id: str | None = None
) -> dict[str, dict[str, int]]:
    """Return the stored totals of the listeners that meet a condition, {listener ID: {counter: total}}.

    They are the sums over all hosts, unless one host is asked for.
    """
    joined = sa.join(STATISTICS, LISTENER, STATISTICS.c.listener_id == LISTENER.c.id)
    of_host = sa.true() if host_id is None else STATISTICS.c.host_id == host_id
    found: dict[str, dict[str, int]] = {}
    for row in tx.execute(sa.select(STATISTICS).select_from(joined).where(condition, of_host)):
        sums = found.setdefault(row.listener_id, dict.fromkeys(resources.STATISTICS, 0))
        for name in sums:
            sums[name] += getattr(row, name)
    return found


def _grouped(owners: Iterable[Record], rows: Iterable[Record], key: str) -> dict[str, tuple[Record, ...]]:
    groups: dict[str, list[Record]] = {owner.id: [] for owner in owners}
    for row in rows:
        if getattr(row, key) in groups:  # missing if the owner is being deleted
            groups[getattr(row, key)].append(row)
    return {owner: tuple(group) for owner, group in groups.items()}


def _serial(row: MemberRecord) -> int:
    return row.serial


def _position(policy: L7PolicyRecord) -> int:
    return policy.position
