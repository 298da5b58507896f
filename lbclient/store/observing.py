"""Storing what the data plane observes: operating statuses, check results and counters.

No desired column and no revision is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from .. import resources
from ..batches import batched
from . import history
from .history import Event
from .json_sql import given, is_given
from .observed_tables import CHECK, PART_STATISTICS
from .prepared import Prepared, by
from .tables import LISTENER, MEMBER, POOL, STATISTICS, TABLES
from .times import now_exactly

Key = tuple[str, str]  # (resource name, id)
Totals = Mapping[str, Mapping[str, int]]  # by the ID of a listener, pool or member: {counter: total}
BATCH = 500  # IDs per query, because databases limit the number of parameters
_KEEP_STATUS = {
    name: Prepared(sa.update(table).where(is_given(table.c.id)).values(operating_status=sa.bindparam("status")))
    for name, table in TABLES.items()
}
_STATUSES = {
    name: Prepared(sa.select(table.c.id, table.c.operating_status).where(is_given(table.c.id)))
    for name, table in TABLES.items()
}
TOLD = ("loadbalancer", "listener", "pool", "member")  # events record these resources' statuses only


@dataclass(frozen=True)
class Check:
    """The result of a member's health check."""

    status: str  # HAProxy's check status, such as L4CON
    reason: str


def keep_statuses(
    tx: sa.Connection,
    loadbalancer_id: str,
    changed: Mapping[Key, str],
    reasons: Mapping[Key, str],
) -> None:
    """Store changed operating statuses of existing rows and record events for them, with their reasons."""
    groups: dict[tuple[str, str], list[str]] = {}
    for (name, id_), status in changed.items():
        groups.setdefault((name, status), []).append(id_)
    for (name, status), ids in groups.items():
        _KEEP_STATUS[name].run(tx, ids=given(ids), status=status)
    told = [key for key in changed if key[0] in TOLD][-history.KEPT :]
    events = [Event("observe", *key, status=changed[key], reason=reasons.get(key)) for key in told]
    history.record(tx, loadbalancer_id, events)


def current_statuses(tx: sa.Connection, keys: Iterable[Key]) -> dict[Key, str]:
    """Return the stored operating statuses of those rows that exist."""
    tables: dict[str, list[str]] = {}
    for name, id_ in keys:
        tables.setdefault(name, []).append(id_)
    return {
        (name, row.id): row.operating_status
        for name, ids in tables.items()
        for row in _STATUSES[name].all(tx, ids=given(ids))
    }


def checks(tx: sa.Connection, loadbalancer_id: str) -> dict[str, Check]:
    """Return the stored check results of a load balancer's members, by member ID."""
    rows = by(CHECK, "loadbalancer_id").all(tx, loadbalancer_id=loadbalancer_id)
    return {row.id: Check(row.status, row.reason) for row in rows}


def checks_told(tx: sa.Connection, loadbalancer_id: str) -> dict[str, dict[str, str]]:
    """Return the stored check results by member ID, as dictionaries for the API, with the time of the result."""
    rows = by(CHECK, "loadbalancer_id").all(tx, loadbalancer_id=loadbalancer_id)
    return {row.id: {"at": row.at, "status": row.status, "reason": row.reason} for row in rows}


def keep_checks(
    tx: sa.Connection, loadbalancer_id: str, found: Mapping[str, Check], known: Mapping[str, Check]
) -> None:
    """Replace stored check results that differ; delete those of members that are no longer checked."""
    at = now_exactly()
    stale = [id_ for id_ in known if known[id_] != found.get(id_)]
    if stale:
        tx.execute(sa.delete(CHECK).where(CHECK.c.id.in_(stale)))
    new = [id_ for id_ in found if known.get(id_) != found[id_]]
    if new:
        common = {"loadbalancer_id": loadbalancer_id, "at": at}
        tx.execute(sa.insert(CHECK), [{"id": id_, **vars(found[id_]), **common} for id_ in new])


def keep_totals(tx: sa.Connection, counted: Mapping[str, Totals], host_id: str) -> None:
    """Store the totals of a host, {load balancer ID: {part ID: {counter: total}}}. Deleted parts are skipped."""
    owners = {part: owner for owner, totals in counted.items() for part in totals}
    merged = {part: totals[part] for totals in counted.values() for part in totals}
    listeners = _existing(tx, LISTENER, merged)
    _put(tx, STATISTICS, "listener_id", host_id, {id_: merged[id_] for id_ in listeners})
    parts = _existing(tx, POOL, merged) | _existing(tx, MEMBER, merged)
    _put(tx, PART_STATISTICS, "id", host_id, {id_: {**merged[id_], "loadbalancer_id": owners[id_]} for id_ in parts})


def part_totals(tx: sa.Connection, id_: str) -> dict[str, int]:
    """Return the totals of a pool or a member over all hosts; zeros if none are stored."""
    rows = by(PART_STATISTICS, "id").all(tx, id=id_)
    return {name: sum(getattr(row, name) for row in rows) for name in resources.STATISTICS}


def _forgetting(observed: sa.Table, owners: sa.Table) -> Prepared:
    """Return a statement that deletes what was observed of rows that do not exist any more."""
    is_gone = ~sa.exists().where(owners.c.id == observed.c.id)
    return Prepared(sa.delete(observed).where(is_given(observed.c.id), is_gone))


_FORGET = {
    owners: [_forgetting(observed, owners) for observed in (PART_STATISTICS, CHECK)] for owners in (POOL, MEMBER)
}


def forget(tx: sa.Connection, table: sa.Table, ids: Iterable[str]) -> None:
    """Delete the counters and the check results of those pools or members that do not exist any more."""
    for each in _FORGET[table]:
        each.run(tx, ids=given(ids))


_FORGET_MEMBERS = [
    Prepared(
        sa.delete(observed).where(
            observed.c.loadbalancer_id == sa.bindparam("loadbalancer_id"),
            *(~sa.exists().where(table.c.id == observed.c.id) for table in (POOL, MEMBER)),
        )
    )
    for observed in (PART_STATISTICS, CHECK)
]


def forget_members(tx: sa.Connection, loadbalancer_id: str) -> None:
    """Delete the counters and the check results of those parts of a load balancer that do not exist any more."""
    for each in _FORGET_MEMBERS:
        each.run(tx, loadbalancer_id=loadbalancer_id)


def _existing(tx: sa.Connection, table: sa.Table, ids: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for batch in batched(ids, BATCH):
        found |= set(tx.scalars(sa.select(table.c.id).where(table.c.id.in_(batch))))
    return found


def _put(tx: sa.Connection, table: sa.Table, key: str, host_id: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Insert or update the rows of a host by their key."""
    column, is_host = table.c[key], table.c.host_id == host_id
    known = set()
    for batch in batched(rows, BATCH):
        known |= set(tx.scalars(sa.select(column).where(is_host, column.in_(batch))))
    old = [{**rows[id_], "_key": id_} for id_ in rows if id_ in known]
    new = [{**rows[id_], key: id_, "host_id": host_id} for id_ in rows if id_ not in known]
    if old:
        tx.execute(sa.update(table).where(is_host, column == sa.bindparam("_key")), old)
    if new:
        tx.execute(sa.insert(table), new)
