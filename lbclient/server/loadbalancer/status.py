"""The status tree: a load balancer, its listeners, pools and members, each with both of its statuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...store import observing
from ...store.prepared import Prepared
from ...store.records import (
    HealthMonitorRecord,
    L7PolicyRecord,
    ListenerRecord,
    LoadBalancerRecord,
    MemberRecord,
    PoolRecord,
    Record,
)
from ...store.tables import HEALTHMONITOR, L7POLICY, LISTENER, MEMBER, POOL
from .rules import l7policy as l7policy_rules

Object = dict[str, Any]
STATES = ("id", "name", "operating_status", "provisioning_status")


def _reader(table: sa.Table, *columns: str) -> Prepared:
    """Return a statement that selects the columns shown for a load balancer's rows, and the given ones."""
    wanted = [table.c[name] for name in (*STATES, *columns)]
    mine = table.c.loadbalancer_id == sa.bindparam("loadbalancer_id")
    return Prepared(sa.select(*wanted).where(mine).order_by(table.c.serial))


_LISTENERS = _reader(LISTENER, "default_pool_id")
_POOLS = _reader(POOL)
_MEMBERS = _reader(MEMBER, "address", "protocol_port", "pool_id")
_MONITORS = _reader(HEALTHMONITOR, "type", "pool_id")
_REDIRECTIONS = Prepared(
    sa.select(L7POLICY.c.listener_id, L7POLICY.c.redirect_pool_id)
    .where(
        L7POLICY.c.loadbalancer_id == sa.bindparam("loadbalancer_id"),
        L7POLICY.c.redirect_pool_id.is_not(None),
        l7policy_rules.is_at_work(),
    )
    .order_by(L7POLICY.c.position)
)


@dataclass(frozen=True)
class _Parts:
    """The parts of a load balancer, including those that are being deleted."""

    pools: Mapping[str, PoolRecord]
    members: Mapping[str, list[MemberRecord]]  # by pool
    monitors: Mapping[str, HealthMonitorRecord]  # by pool
    redirections: Mapping[str, list[L7PolicyRecord]]  # by listener
    checks: Mapping[str, Object]  # by member


def tree(tx: sa.Connection, loadbalancer: LoadBalancerRecord) -> Object:
    """Return the status tree of a load balancer, in Octavia's format."""
    of = {"loadbalancer_id": loadbalancer.id}
    parts = _Parts(
        pools={pool.id: pool for pool in _POOLS.all(tx, **of)},
        members=_grouped(_MEMBERS.all(tx, **of), "pool_id"),
        monitors={monitor.pool_id: monitor for monitor in _MONITORS.all(tx, **of)},
        redirections=_grouped(_REDIRECTIONS.all(tx, **of), "listener_id"),
        checks=observing.checks_told(tx, loadbalancer.id),
    )
    listeners = [_listener(listener, parts) for listener in _LISTENERS.all(tx, **of)]
    fault = {"fault": loadbalancer.fault} if loadbalancer.fault else {}  # not in Octavia: why it is in ERROR
    return {"statuses": {"loadbalancer": {**_states(loadbalancer), **fault, "listeners": listeners}}}


def _grouped(rows: Iterable[Record], key: str) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(getattr(row, key), []).append(row)
    return found


def _listener(listener: ListenerRecord, parts: _Parts) -> Object:
    redirections = [each.redirect_pool_id for each in parts.redirections.get(listener.id, ())]
    used = dict.fromkeys((listener.default_pool_id, *redirections))
    pools = [_pool(parts.pools[id_], parts) for id_ in used if id_ and id_ in parts.pools]
    return {**_states(listener), "pools": pools}


def _pool(pool: PoolRecord, parts: _Parts) -> Object:
    monitor = parts.monitors.get(pool.id)
    return {
        **_states(pool),
        "health_monitor": None if monitor is None else {**_states(monitor), "type": monitor.type},
        "members": [_member(member, parts.checks) for member in parts.members.get(pool.id, ())],
    }


def _member(member: MemberRecord, checks: Mapping[str, Object]) -> Object:
    """Describe a member; unlike in Octavia, with the last result of its health check, if there is one."""
    place = {"address": member.address, "protocol_port": member.protocol_port}
    found = {"last_check": checks[member.id]} if member.id in checks else {}
    return {**_states(member), **place, **found}


def _states(row: Record) -> Object:
    return {name: getattr(row, name) for name in STATES}
