"""The status tree: a load balancer, its listeners, their pools, the members, with both of their states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ...store import observing, reading
from ...store.snapshot import Record, Snapshot
from ...store.tables import L7POLICY
from .rules import l7policy as l7policy_rules

Object = dict[str, Any]
Checks = Mapping[str, Object]


def tree(tx: sa.Connection, loadbalancer: Record) -> Object:
    """The answer of …/status, in Octavia's shape."""
    snapshot = reading.snapshot(tx, loadbalancer.id, with_deleted=True)
    assert snapshot is not None  # its row was read in this transaction
    checks = observing.checks_told(tx, loadbalancer.id)
    listeners = [_listener(snapshot, listener, tx, checks) for listener in snapshot.listeners]
    fault = {"fault": loadbalancer.fault} if loadbalancer.fault else {}  # beyond Octavia: why it is in ERROR
    return {"statuses": {"loadbalancer": {**_states(loadbalancer), **fault, "listeners": listeners}}}


def _listener(snapshot: Snapshot, listener: Record, tx: sa.Connection, checks: Checks) -> Object:
    used = [listener.default_pool_id, *_redirect_pools(tx, listener.id)]
    known = {pool.id: pool for pool in snapshot.pools}
    pools = [_pool(snapshot, known[id_], checks) for id_ in dict.fromkeys(used) if id_ in known]
    return {**_states(listener), "pools": pools}


def _redirect_pools(tx: sa.Connection, listener_id: str) -> list[str | None]:
    mine = (L7POLICY.c.listener_id == listener_id) & l7policy_rules.is_at_work()
    return list(tx.scalars(sa.select(L7POLICY.c.redirect_pool_id).where(mine).order_by(L7POLICY.c.position)))


def _pool(snapshot: Snapshot, pool: Record, checks: Checks) -> Object:
    answer = _states(pool)
    monitor = snapshot.healthmonitors.get(pool.id)
    answer["health_monitor"] = None if monitor is None else {**_states(monitor), "type": monitor.type}
    answer["members"] = [_member(member, checks) for member in snapshot.members[pool.id]]
    return answer


def _member(member: Record, checks: Checks) -> Object:
    """Beyond Octavia: what its health check found last, where it has one."""
    place = {"address": member.address, "protocol_port": member.protocol_port}
    found = {"last_check": checks[member.id]} if member.id in checks else {}
    return {**_states(member), **place, **found}


def _states(row: Record) -> Object:
    names = ("id", "name", "operating_status", "provisioning_status")
    return {name: getattr(row, name) for name in names}
