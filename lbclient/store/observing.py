"""What the data plane observes, kept: operating statuses, checks, counters. No desired column, and no revision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from .. import resources
from . import history
from .history import Event
from .observed_tables import CHECK, PART_STATISTICS
from .prepared import Prepared, by, update
from .tables import LISTENER, MEMBER, POOL, STATISTICS, TABLES

Key = tuple[str, str]  # (resource name, id)
Totals = Mapping[str, Mapping[str, int]]  # by the ID of a listener, pool or member: {counter: total}
BATCH = 500  # a database takes so many parameters at once, and not many more
TOLD = ("loadbalancer", "listener", "pool", "member")  # the others follow what was asked for


@dataclass(frozen=True)
class Check:
    """What the health check of a member found."""

    status: str  # HAProxy's word: L4CON
    reason: str


def keep_statuses(
    tx: sa.Connection,
    loadbalancer_id: str,
    changed: Mapping[Key, str],
    reasons: Mapping[Key, str],
) -> None:
    """Operating statuses that have changed, and what to tell of them."""
    told = [
        Event("observe", name, id_, status=status, reason=reasons.get((name, id_)))
        for (name, id_), status in changed.items()
        if update(TABLES[name], "operating_status").run(tx, row_id=id_, operating_status=status) and name in TOLD
    ]
    history.record(tx, loadbalancer_id, told)


def checks(tx: sa.Connection, loadbalancer_id: str) -> dict[str, Check]:
    """What is known of the checks of a load balancer's members, by member."""
    rows = by(CHECK, "loadbalancer_id").all(tx, loadbalancer_id=loadbalancer_id)
    return {row.id: Check(row.status, row.reason) for row in rows}


def checks_told(tx: sa.Connection, loadbalancer_id: str) -> dict[str, dict[str, str]]:
    """The same in words of the API: since when, which and why."""
    rows = by(CHECK, "loadbalancer_id").all(tx, loadbalancer_id=loadbalancer_id)
    return {row.id: {"at": row.at, "status": row.status, "reason": row.reason} for row in rows}


def keep_checks(
    tx: sa.Connection, loadbalancer_id: str, found: Mapping[str, Check], known: Mapping[str, Check]
) -> None:
    """Checks that differ from those that are known; members that are checked no more have none."""
    at = history.now()
    stale = [id_ for id_ in known if known[id_] != found.get(id_)]
    if stale:
        tx.execute(sa.delete(CHECK).where(CHECK.c.id.in_(stale)))
    new = [id_ for id_ in found if known.get(id_) != found[id_]]
    if new:
        common = {"loadbalancer_id": loadbalancer_id, "at": at}
        tx.execute(sa.insert(CHECK), [{"id": id_, **vars(found[id_]), **common} for id_ in new])


def keep_totals(tx: sa.Connection, counted: Mapping[str, Totals]) -> None:
    """The totals of load balancers, {its ID: {part's ID: {counter: total}}}, of parts that exist."""
    owners = {part: owner for owner, totals in counted.items() for part in totals}
    merged = {part: totals[part] for totals in counted.values() for part in totals}
    listeners = _existing(tx, LISTENER, merged)
    _put(tx, STATISTICS, "listener_id", {id_: merged[id_] for id_ in listeners})
    parts = _existing(tx, POOL, merged) | _existing(tx, MEMBER, merged)
    _put(tx, PART_STATISTICS, "id", {id_: {**merged[id_], "loadbalancer_id": owners[id_]} for id_ in parts})


def part_totals(tx: sa.Connection, id_: str) -> dict[str, int]:
    """The totals of a pool or a member."""
    row = by(PART_STATISTICS, "id").first(tx, id=id_)
    return {name: getattr(row, name) if row else 0 for name in resources.STATISTICS}


_FORGET = [Prepared(sa.delete(table).where(table.c.id == sa.bindparam("row_id"))) for table in (PART_STATISTICS, CHECK)]


def forget(tx: sa.Connection, id_: str) -> None:
    """What is kept of a pool or a member that is gone."""
    for each in _FORGET:
        each.run(tx, row_id=id_)


def _existing(tx: sa.Connection, table: sa.Table, ids: Iterable[str]) -> set[str]:
    wanted = list(ids)
    found: set[str] = set()
    for start in range(0, len(wanted), BATCH):
        found |= set(tx.scalars(sa.select(table.c.id).where(table.c.id.in_(wanted[start : start + BATCH]))))
    return found


def _put(tx: sa.Connection, table: sa.Table, key: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Rows by their key, whether they are there or not."""
    column = table.c[key]
    known = set()
    ids = list(rows)
    for start in range(0, len(ids), BATCH):
        known |= set(tx.scalars(sa.select(column).where(column.in_(ids[start : start + BATCH]))))
    old = [{**rows[id_], "_key": id_} for id_ in ids if id_ in known]
    new = [{**rows[id_], key: id_} for id_ in ids if id_ not in known]
    if old:
        tx.execute(sa.update(table).where(column == sa.bindparam("_key")), old)
    if new:
        tx.execute(sa.insert(table), new)
