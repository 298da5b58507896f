"""Load balancers on two hosts: when their changes are settled, and whether both hosts could serve."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from . import observing, placing, reading, settling, vip_groups
from .cluster_tables import AMPHORA, HOST, SERVER
from .observing import Key
from .prepared import by
from .records import AmphoraRecord, HostRecord, LoadBalancerRecord
from .snapshot import Snapshot
from .tables import LOADBALANCER

ONLINE, DEGRADED = "ONLINE", "DEGRADED"

Statuses = Mapping[Key, str]
Part = tuple[AmphoraRecord, HostRecord | None]  # an amphora and its host

_IS_PENDING = LOADBALANCER.c.provisioning_status.like("PENDING_%")
_JOINED = sa.join(AMPHORA, LOADBALANCER, AMPHORA.c.loadbalancer_id == LOADBALANCER.c.id).join(
    HOST, AMPHORA.c.host_id == HOST.c.id
)


def applied(tx: sa.Connection, snapshot: Snapshot, error: str | None) -> tuple[bool, str | None]:
    """Note that a host has applied a snapshot, or why it could not.

    Return whether another host has yet to do so, and the error that the change has. Hosts that are not heard, or late,
    hold nothing up: they read the whole list when they are back. An error of the host that stands by is none of the
    change: it is shown by weakness().
    """
    id_, revision = snapshot.loadbalancer.id, snapshot.loadbalancer.revision
    mine = (AMPHORA.c.loadbalancer_id == id_) & (AMPHORA.c.host_id == snapshot.host_id)
    late = sa.case((AMPHORA.c.late_revision > revision, AMPHORA.c.late_revision))
    tx.execute(sa.update(AMPHORA).where(mine).values(applied_revision=revision, fault=error, late_revision=late))
    counted = [each for each in _parts(tx, id_) if _is_counted(tx, each)]
    return any(_is_behind(row, revision) for row, _ in counted), _error(tx, counted)


def pending(tx: sa.Connection, ids: Collection[str] | None) -> list[tuple[str, int, bool]]:
    """Return (ID, revision, whether all hosts are waited for) of load balancers whose changes agents have to apply.

    Only the given ones are looked at; None: all.
    """
    is_theirs = (AMPHORA.c.host_id != SERVER) & _is_among(ids)
    id_, revision = LOADBALANCER.c.id, LOADBALANCER.c.revision
    is_counted = vip_groups.is_agent_heard() & AMPHORA.c.late_revision.is_(None)
    left_out = sa.func.sum(sa.case((is_counted, 0), else_=1)).label("left_out")
    wanted = sa.select(id_, revision, left_out).select_from(_JOINED).where(is_theirs, _IS_PENDING)
    return [(row.id, row.revision, row.left_out == 0) for row in tx.execute(wanted.group_by(id_, revision))]


def decide(tx: sa.Connection, loadbalancer_id: str, revision: int, is_overdue: bool) -> bool:
    """Settle the changes of a load balancer that its hosts do not settle; return whether that was done.

    Of two hosts, one that is not heard is not waited for, nor one that is overdue, which is late from then on. If none
    of the hosts that are heard has applied the changes in time, they end in ERROR. Nothing is done if no host is
    heard, or if the load balancer has another revision by now.
    """
    loadbalancer = settling.lock(tx, loadbalancer_id)
    if loadbalancer is None or loadbalancer.revision != revision or not _is_pending(loadbalancer):
        return False
    parts = _parts(tx, loadbalancer_id)
    counted = [each for each in parts if _is_counted(tx, each)]
    done = [each for each in counted if each[0].vip_group_id is not None and not _is_behind(each[0], revision)]
    if not is_overdue and (not done or len(done) < len(counted)):
        return False
    if not any(vip_groups.is_heard(tx, host) for _, host in parts):
        return False
    late = [row.id for row, _ in counted if row.vip_group_id is not None and _is_behind(row, revision)]
    if late:
        tx.execute(sa.update(AMPHORA).where(AMPHORA.c.id.in_(late)).values(late_revision=revision))
    error = _error(tx, done) if done else " ".join(_silence(tx, host) or _lateness(host) for _, host in parts)
    snapshot = reading.snapshot(tx, loadbalancer_id)
    assert snapshot is not None
    settling.settle(tx, snapshot.loadbalancer, snapshot.seen, error)
    if error is not None and snapshot.is_deleted:  # a host that deletes it after all must not make it ACTIVE thereby
        undone = sa.update(LOADBALANCER).where(LOADBALANCER.c.id == loadbalancer_id)
        tx.execute(undone.values(revision=LOADBALANCER.c.revision + 1))
    return True


def shown(tx: sa.Connection, loadbalancer_id: str, statuses: Statuses) -> tuple[Statuses, dict[Key, str]]:
    """Return operating statuses as they are shown, and the reasons for the differences.

    A load balancer that the host with its addresses finds ONLINE is DEGRADED if the other host could not serve.
    """
    key = (LOADBALANCER.name, loadbalancer_id)
    if statuses.get(key) != ONLINE:
        return statuses, {}
    found = by(LOADBALANCER, "id").first(tx, id=loadbalancer_id)
    reason = weakness(tx, found) if found is not None else None
    return ({**statuses, key: DEGRADED}, {key: reason}) if reason else (statuses, {})


def weakness(tx: sa.Connection, loadbalancer: LoadBalancerRecord) -> str | None:
    """Return why one of a load balancer's two hosts could not serve; None if both could, or neither."""
    lacks = [_lack(tx, each, loadbalancer) for each in _parts(tx, loadbalancer.id)]
    return " ".join(filter(None, lacks)) or None if len(lacks) == 2 and None in lacks else None


def differing(tx: sa.Connection, ids: Collection[str] | None = None, hosts: Collection[str] | None = None) -> list[str]:
    """Return the load balancers on two hosts whose status does not say whether both hosts could serve.

    Only those with the given IDs, or on one of the given hosts, are looked at; None: all.
    """
    is_meant = _is_among(ids)
    if hosts is not None:
        is_meant = LOADBALANCER.c.id.in_(sa.select(AMPHORA.c.loadbalancer_id).where(AMPHORA.c.host_id.in_(hosts)))
    is_behind = sa.func.coalesce(AMPHORA.c.applied_revision, 0) < LOADBALANCER.c.revision
    is_lacking = sa.or_(
        ~vip_groups.is_agent_heard(),
        AMPHORA.c.fault.is_not(None),
        AMPHORA.c.late_revision.is_not(None),
        ~_IS_PENDING & is_behind,
    )
    lacking = sa.func.sum(sa.case((is_lacking, 1), else_=0))
    status = LOADBALANCER.c.operating_status
    wanted = (
        sa.select(LOADBALANCER.c.id)
        .select_from(_JOINED)
        .where(AMPHORA.c.vip_group_id.is_not(None), is_meant, status.in_((ONLINE, DEGRADED)))
        .group_by(LOADBALANCER.c.id, status)
        .having(sa.or_((status == ONLINE) & (lacking == 1), (status == DEGRADED) & (lacking == 0)))
    )
    return list(tx.scalars(wanted))


def correct(tx: sa.Connection, loadbalancer_id: str) -> bool:
    """Show whether both hosts of a load balancer could serve; return whether its operating status has changed.

    It is ONLINE again if the host with the addresses has found that last, at the present revision.
    """
    loadbalancer = settling.lock(tx, loadbalancer_id)
    if loadbalancer is None:
        return False
    key = (LOADBALANCER.name, loadbalancer_id)
    reason = weakness(tx, loadbalancer)
    if loadbalancer.operating_status == ONLINE and reason is not None:
        observing.keep_statuses(tx, loadbalancer_id, {key: DEGRADED}, {key: reason})
        return True
    if loadbalancer.operating_status == DEGRADED and reason is None and _is_found_online(tx, loadbalancer):
        observing.keep_statuses(tx, loadbalancer_id, {key: ONLINE}, {})
        return True
    return False


def _is_found_online(tx: sa.Connection, loadbalancer: LoadBalancerRecord) -> bool:
    for row, _ in _parts(tx, loadbalancer.id):
        if row.observed and vip_groups.is_holder(tx, row):
            told = [*(LOADBALANCER.name, loadbalancer.id), ONLINE]
            return told in row.observed["statuses"] and row.observed["revision"] in (None, loadbalancer.revision)
    return False


def _is_among(ids: Collection[str] | None) -> sa.ColumnElement[bool]:
    return sa.true() if ids is None else LOADBALANCER.c.id.in_(ids)


def _parts(tx: sa.Connection, loadbalancer_id: str) -> list[Part]:
    """Return the amphorae of a load balancer, each with its host."""
    return [(each, by(HOST, "id").first(tx, id=each.host_id)) for each in placing.amphorae(tx, loadbalancer_id)]


def _is_counted(tx: sa.Connection, part: Part) -> bool:
    """Whether a change waits for a host: it is heard, and not late."""
    row, host = part
    return vip_groups.is_heard(tx, host) and row.late_revision is None


def _is_behind(row: AmphoraRecord, revision: int) -> bool:
    return (row.applied_revision or 0) < revision


def _is_pending(loadbalancer: LoadBalancerRecord) -> bool:
    return loadbalancer.provisioning_status.startswith("PENDING_")


def _error(tx: sa.Connection, parts: Sequence[Part]) -> str | None:
    """Return what has failed, if it has on the host with the addresses, or on all."""
    failed = [(row, host) for row, host in parts if row.fault is not None and host is not None]
    if len(failed) < len(parts) and not any(vip_groups.is_holder(tx, row) for row, _ in failed):
        return None
    return " ".join(f"Host {host.name}: {row.fault}" for row, host in failed) or None


def _lack(tx: sa.Connection, part: Part, loadbalancer: LoadBalancerRecord) -> str | None:
    """Return why a host could not serve what a load balancer should be; None if it could."""
    row, host = part
    silence = _silence(tx, host)
    if silence or host is None:
        return silence
    if row.fault is not None:
        return f"Host {host.name}: {row.fault}"
    if row.late_revision is not None:
        return _lateness(host)
    if not _is_pending(loadbalancer) and _is_behind(row, loadbalancer.revision):
        return f"Host {host.name} has not applied the last change yet."
    return None


def _silence(tx: sa.Connection, host: HostRecord | None) -> str | None:
    """Return that a host is not heard; None if it is."""
    return None if vip_groups.is_heard(tx, host) else f"Host {_name(host)} is not heard."


def _lateness(host: HostRecord | None) -> str:
    return f"Host {_name(host)} is heard, but has not applied the change in time."


def _name(host: HostRecord | None) -> str:
    return host.name if host is not None else "unknown"
