"""Settling the changes that a snapshot saw: row by row and by revision, so that later changes stay pending."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import sqlalchemy as sa

from ..batches import batched
from . import history, network_tables, observing, placing
from .history import Outcome
from .json_sql import given, is_given
from .observing import Key
from .prepared import Prepared, update
from .records import LoadBalancerRecord
from .tables import LISTENER, LOADBALANCER, MEMBER, POOL, STATISTICS, TABLES
from .times import now

Seen = Mapping[Key, int]  # the revision of each row in the snapshot
PART = 500  # members that are settled in one transaction


def _seen(table: sa.Table) -> sa.ColumnElement[bool]:
    """Match the rows that have not changed since the snapshot."""
    return is_given(table.c.id) & (table.c.revision == sa.bindparam("seen_revision"))


def _is_kept(table: sa.Table) -> sa.ColumnElement[bool]:
    return table.c.provisioning_status != "PENDING_DELETE"


def _is_pending(table: sa.Table) -> sa.ColumnElement[bool]:
    return table.c.provisioning_status.like("PENDING_%")


_AT: sa.BindParameter[str] = sa.bindparam("at")


# ERROR becomes ACTIVE too: a change that was refused before has been applied by now.
_ACTIVATE = {
    name: Prepared(
        sa.update(table)
        .where(_seen(table), table.c.provisioning_status != "ACTIVE", _is_kept(table))
        .values(provisioning_status="ACTIVE", updated_at=_AT)
    )
    for name, table in TABLES.items()
}
_FAIL = {
    name: Prepared(
        sa.update(table)
        # A deleted part stays deleted even if HAProxy could not be updated: otherwise it would come back afterwards.
        .where(_seen(table), _is_pending(table), sa.true() if table is LOADBALANCER else _is_kept(table))
        .values(provisioning_status="ERROR", updated_at=_AT)
    )
    for name, table in TABLES.items()
}
_REMOVE = {name: Prepared(sa.delete(table).where(_seen(table), ~_is_kept(table))) for name, table in TABLES.items()}
_MINE = MEMBER.c.loadbalancer_id == sa.bindparam("loadbalancer_id")
_ACTIVATE_MEMBERS = Prepared(
    sa.update(MEMBER)
    .where(_MINE, MEMBER.c.provisioning_status != "ACTIVE", _is_kept(MEMBER))
    .values(provisioning_status="ACTIVE", updated_at=_AT)
)
_REMOVE_MEMBERS = Prepared(sa.delete(MEMBER).where(_MINE, ~_is_kept(MEMBER)))
_BETWEEN = MEMBER.c.serial.between(sa.bindparam("first"), sa.bindparam("last"))
_SERIALS = Prepared(sa.select(MEMBER.c.serial).where(_MINE).order_by(MEMBER.c.serial))
_BEYOND_PART = Prepared(sa.select(MEMBER.c.serial).where(_MINE).order_by(MEMBER.c.serial).offset(PART).limit(1))
_ACTIVATE_BETWEEN = Prepared(
    sa.update(MEMBER)
    .where(_MINE, _BETWEEN, MEMBER.c.provisioning_status != "ACTIVE", _is_kept(MEMBER))
    .values(provisioning_status="ACTIVE", updated_at=_AT)
)
_REMOVE_BETWEEN = Prepared(sa.delete(MEMBER).where(_MINE, _BETWEEN))
_SHOW_ERROR = {
    table.name: Prepared(
        sa.update(table)
        .where(table.c.id == sa.bindparam("row_id"), table.c.provisioning_status == "ACTIVE")
        .values(provisioning_status="ERROR", updated_at=_AT)
    )
    for table in (LOADBALANCER, LISTENER)
}
_STATUS = Prepared(sa.select(LOADBALANCER.c.provisioning_status).where(LOADBALANCER.c.id == sa.bindparam("row_id")))
_REVISION = Prepared(sa.select(LOADBALANCER.c.revision).where(LOADBALANCER.c.id == sa.bindparam("row_id")))
_LOCK = Prepared(sa.select(LOADBALANCER).where(LOADBALANCER.c.id == sa.bindparam("row_id")).with_for_update())
_FORGET_COUNTERS = Prepared(
    sa.delete(STATISTICS).where(
        is_given(STATISTICS.c.listener_id), ~sa.exists().where(LISTENER.c.id == STATISTICS.c.listener_id)
    )
)


def settle(
    tx: sa.Connection,
    loadbalancer: LoadBalancerRecord,
    seen: Seen,
    error: str | None,
    outcome: Outcome | None = None,
    statuses: Mapping[Key, str] | None = None,
    failures: Mapping[Key, str] | None = None,
    reasons: Mapping[Key, str] | None = None,
) -> bool:
    """Mark seen rows ACTIVE or delete them, or set ERROR, and store changed operating statuses.

    `failures` are the reasons for which single listeners are set to ERROR, while the rest is settled. `reasons` explain
    the operating statuses.
    If the load balancer is deleted, its ports and history go with it. Returns whether it is still PENDING_*, because
    it has changed since the snapshot.
    """
    id_ = loadbalancer.id
    failures = failures or {}
    _settle_rows(tx, loadbalancer, seen, error, failures)
    reason = error or " ".join(failures.values()) or None
    if loadbalancer.fault != reason:
        update(LOADBALANCER, "fault").run(tx, row_id=loadbalancer.id, fault=reason)
    status = provisioning_status(tx, id_)
    if status is None:
        network_tables.release(tx, id_)
        placing.forget(tx, id_)
        history.forget(tx, id_, loadbalancer.revision, outcome)
        return False
    observing.keep_statuses(tx, id_, statuses or {}, reasons or {})
    history.settle(tx, id_, loadbalancer.revision, outcome, error, reason)
    return status.startswith("PENDING_")


def _settle_rows(
    tx: sa.Connection, loadbalancer: LoadBalancerRecord, seen: Seen, error: str | None, failures: Mapping[Key, str]
) -> None:
    """Settle each row that has not changed since the snapshot; show errors in rows that were ACTIVE."""
    tables: dict[str, dict[str, int]] = {}
    for (name, id_), revision in seen.items():
        tables.setdefault(name, {})[id_] = revision
    for name, revisions in tables.items():
        _settle_table(tx, name, revisions, {id_ for id_ in revisions if error is not None or (name, id_) in failures})
    if error is not None:
        _SHOW_ERROR[LOADBALANCER.name].run(tx, row_id=loadbalancer.id, at=now())
    for name, id_ in failures:
        _SHOW_ERROR[name].run(tx, row_id=id_, at=now())


def lock(tx: sa.Connection, loadbalancer_id: str) -> LoadBalancerRecord | None:
    """Lock the row of a load balancer until the end of the transaction and return it; None if it does not exist."""
    return _LOCK.first(tx, row_id=loadbalancer_id)


def provisioning_status(tx: sa.Connection, loadbalancer_id: str) -> str | None:
    """Return the provisioning status of a load balancer; None if it does not exist."""
    status: str | None = _STATUS.scalar(tx, row_id=loadbalancer_id)
    return status


def revision(tx: sa.Connection, loadbalancer_id: str) -> int | None:
    """Return the revision of a load balancer's last change; None if it does not exist."""
    found: int | None = _REVISION.scalar(tx, row_id=loadbalancer_id)
    return found


def divided(seen: Seen) -> tuple[list[Seen], Seen]:
    """Divide what a snapshot saw into parts of PART members, to be settled one by one, and the rest.

    There are no parts of fewer members, which are settled together with the rest.
    """
    members = [key for key in seen if key[0] == MEMBER.name] if len(seen) > PART else []
    if len(members) <= PART:
        return [], seen
    parts: list[Seen] = [{key: seen[key] for key in part} for part in batched(members, PART)]
    return parts, {key: revision for key, revision in seen.items() if key[0] != MEMBER.name}


def settle_part(tx: sa.Connection, seen: Seen, is_failed: bool) -> None:
    """Settle some members like settle(), which has to follow. The load balancer stays PENDING_* in the meantime."""
    revisions = {id_: revision for (_, id_), revision in seen.items()}
    _settle_table(tx, MEMBER.name, revisions, set(revisions) if is_failed else set())


def settle_members(tx: sa.Connection, loadbalancer_id: str) -> None:
    """Settle all members of a load balancer like settle(), by a few statements; nothing else may change them."""
    owner = {"loadbalancer_id": loadbalancer_id}
    _ACTIVATE_MEMBERS.run(tx, **owner, at=now())
    if _REMOVE_MEMBERS.run(tx, **owner):
        observing.forget_members(tx, loadbalancer_id)


def is_large(tx: sa.Connection, loadbalancer_id: str) -> bool:
    """Whether a load balancer has more than PART members."""
    return _BEYOND_PART.first(tx, loadbalancer_id=loadbalancer_id) is not None


def member_parts(tx: sa.Connection, loadbalancer_id: str) -> list[tuple[int, int]]:
    """Return the first and the last serial of each PART members of a load balancer; none if it has fewer than that."""
    serials = _SERIALS.scalars(tx, loadbalancer_id=loadbalancer_id)
    if len(serials) <= PART:
        return []
    return [(part[0], part[-1]) for part in batched(serials, PART)]


def activate_members(tx: sa.Connection, loadbalancer_id: str, first: int, last: int) -> None:
    """Mark new and changed members ACTIVE whose serials are in this range."""
    _ACTIVATE_BETWEEN.run(tx, loadbalancer_id=loadbalancer_id, first=first, last=last, at=now())


def remove_members(tx: sa.Connection, loadbalancer_id: str, first: int, last: int) -> None:
    """Delete the members whose serials are in this range, with their counters and check results."""
    if _REMOVE_BETWEEN.run(tx, loadbalancer_id=loadbalancer_id, first=first, last=last):
        observing.forget_members(tx, loadbalancer_id)


def _settle_table(tx: sa.Connection, name: str, revisions: Mapping[str, int], failed: set[str]) -> None:
    """Settle rows of one table, given as {ID: revision}, by a few statements for each revision."""
    at = now()
    groups = [(revision, given(ids)) for revision, ids in _by_revision(revisions, revisions.keys() - failed)]
    failing = [(revision, given(ids)) for revision, ids in _by_revision(revisions, failed)]
    settled = sum(_ACTIVATE[name].run(tx, ids=ids, seen_revision=revision, at=at) for revision, ids in groups)
    settled += sum(_FAIL[name].run(tx, ids=ids, seen_revision=revision, at=at) for revision, ids in failing)
    if settled == len(revisions) or (failed and name == LOADBALANCER.name):
        return
    if not sum(_REMOVE[name].run(tx, ids=ids, seen_revision=revision) for revision, ids in (*groups, *failing)):
        return
    if name == LISTENER.name:
        _FORGET_COUNTERS.run(tx, ids=given(revisions))
    elif name in (POOL.name, MEMBER.name):
        observing.forget(tx, TABLES[name], revisions)


def _by_revision(revisions: Mapping[str, int], ids: Collection[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the chosen IDs of {ID: revision} by revision; rows that one request has changed have the same."""
    groups: dict[int, list[str]] = {}
    for id_, revision in revisions.items():
        if id_ in ids:
            groups.setdefault(revision, []).append(id_)
    yield from groups.items()
