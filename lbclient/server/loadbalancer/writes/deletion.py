"""Delete the rows of each kind of object: what is deleted along with it, and what prevents its deletion."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from ....resources import HEALTHMONITOR, L7POLICY, L7RULE, LISTENER, LOADBALANCER, MEMBER, POOL
from ....store.prepared import by
from ....store.records import (
    HealthMonitorRecord,
    L7PolicyRecord,
    L7RuleRecord,
    ListenerRecord,
    LoadBalancerRecord,
    MemberRecord,
    PoolRecord,
    Record,
)
from ....store.tables import TABLES
from ...errors import ValidationFailure
from ..rules import l7policy as l7policy_rules
from ..rules import pool as pool_rules
from . import creation
from .transaction import Change

LOADBALANCERS, LISTENERS, POOLS, MEMBERS, HEALTHMONITORS, L7POLICIES, L7RULES = TABLES.values()


def delete_loadbalancer(change: Change, row: LoadBalancerRecord, is_cascade: bool = False) -> None:
    """Delete a load balancer and, with is_cascade, everything in it.

    Raises ValidationFailure if it has listeners or pools and is_cascade is false.
    """
    children = [table for table in TABLES.values() if table is not LOADBALANCERS]
    if not is_cascade and any(_ids(change, table, "loadbalancer_id", row.id) for table in (LISTENERS, POOLS)):
        raise ValidationFailure(f"Cannot delete Load Balancer {row.id} - it has children")
    for table in children:
        change.delete_all(table)
    change.delete(LOADBALANCERS, [row.id])


def delete_listener(change: Change, row: ListenerRecord) -> None:
    policies = _ids(change, L7POLICIES, "listener_id", row.id)
    for policy_id in policies:
        change.delete(L7RULES, _ids(change, L7RULES, "l7policy_id", policy_id))
    change.delete(L7POLICIES, policies)
    change.touch_pool(row.default_pool_id)
    change.delete(LISTENERS, [row.id])


def delete_pool(change: Change, row: PoolRecord) -> None:
    pool_rules.check_is_unused(change.tx, row.id)
    change.delete(MEMBERS, _ids(change, MEMBERS, "pool_id", row.id))
    change.delete(HEALTHMONITORS, _ids(change, HEALTHMONITORS, "pool_id", row.id))
    for listener_id in _ids(change, LISTENERS, "default_pool_id", row.id):
        change.update(LISTENERS, listener_id, {"default_pool_id": None})
    change.delete(POOLS, [row.id])


def delete_member(change: Change, row: MemberRecord) -> None:
    change.touch_pool(row.pool_id)
    change.delete(MEMBERS, [row.id])


def delete_healthmonitor(change: Change, row: HealthMonitorRecord) -> None:
    change.touch_pool(row.pool_id)
    change.delete(HEALTHMONITORS, [row.id])


def delete_l7policy(change: Change, row: L7PolicyRecord) -> None:
    change.delete(L7RULES, _ids(change, L7RULES, "l7policy_id", row.id))
    l7policy_rules.close_gap(change.tx, row.listener_id, row.id)
    change.touch(LISTENERS, [row.listener_id])
    change.delete(L7POLICIES, [row.id])


def delete_l7rule(change: Change, row: L7RuleRecord) -> None:
    creation.touch_policy(change, row.l7policy_id)
    change.delete(L7RULES, [row.id])


def _ids(change: Change, table: sa.Table, column: str, value: str) -> Sequence[str]:
    return [row.id for row in by(table, column).all(change.tx, **{column: value})]


DELETE: dict[str, Callable[[Change, Record], None]] = {
    LOADBALANCER.name: delete_loadbalancer,
    LISTENER.name: delete_listener,
    POOL.name: delete_pool,
    MEMBER.name: delete_member,
    HEALTHMONITOR.name: delete_healthmonitor,
    L7POLICY.name: delete_l7policy,
    L7RULE.name: delete_l7rule,
}
