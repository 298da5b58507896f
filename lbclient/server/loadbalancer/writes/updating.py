"""Update the rows of each kind of object: checks against other objects, defaults, and references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....resources import HEALTHMONITOR, L7POLICY, L7RULE, LISTENER, LOADBALANCER, MEMBER, POOL
from ....resources.l7policy import REDIRECTS
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
from ...access.context import Context
from ...keymanager import references as certificates
from ...network.mode import network
from .. import policy
from ..rules import healthmonitor as healthmonitor_rules
from ..rules import l7policy as l7policy_rules
from ..rules import l7rule as l7rule_rules
from ..rules import listener as listener_rules
from ..rules import member as member_rules
from ..rules import pool as pool_rules
from ..rules import tls
from . import creation
from .transaction import Change

Values = dict[str, Any]

LISTENERS = TABLES["listener"]


def update_loadbalancer(change: Change, who: Context, row: LoadBalancerRecord, values: Values) -> Values:
    if "vip_sg_ids" in values:
        policy.check(change.services, who, "loadbalancer:put:vip_sg_ids", row.project_id)
    creation.check_references(change.services, change.tx, who, values)
    if {"vip_sg_ids", "vip_qos_policy_id"} & set(values):
        merged = {**row._mapping, **values}
        network(change.services).guard(change.tx, row.id, merged["vip_sg_ids"], merged["vip_qos_policy_id"])
    return values


def update_listener(change: Change, who: Context, row: ListenerRecord, values: Values) -> Values:
    tls.reset(values, tls.DEFAULTS)
    merged = {**row._mapping, **values}
    listener_rules.check(merged)
    listener_rules.check_cidrs(change.loadbalancer, merged["allowed_cidrs"])
    if values.get("default_pool_id"):
        pool = pool_rules.of(change.tx, change.loadbalancer, values["default_pool_id"])
        listener_rules.check_pool_fits(row.protocol, pool)
        change.touch_pool(pool.id)
    certificates.check_references(change.services, change.tx, who, LISTENER, merged, values)
    return {name: merged[name] for name in values}


def update_pool(change: Change, who: Context, row: PoolRecord, values: Values) -> Values:
    if values.get("session_persistence") is not None:
        values["session_persistence"] = pool_rules.persistence(values["session_persistence"], row.session_persistence)
    tls.reset(values, ("tls_ciphers", "tls_versions"))
    merged = {**row._mapping, **values}
    pool_rules.check(merged)
    certificates.check_references(change.services, change.tx, who, POOL, merged, values)
    change.touch_pool(row.id)
    return values


def update_member(change: Change, who: Context, row: MemberRecord, values: Values) -> Values:
    member_rules.check_addresses(change.services, values)
    change.touch_pool(row.pool_id)
    return values


def update_healthmonitor(change: Change, who: Context, row: HealthMonitorRecord, values: Values) -> Values:
    pool = change.row(TABLES["pool"], row.pool_id)
    merged = {**row._mapping, **values}
    healthmonitor_rules.check_options(row.type, values)
    healthmonitor_rules.check(merged, pool.protocol)
    change.touch_pool(pool.id)
    complete = healthmonitor_rules.with_defaults(merged)
    return {name: complete[name] for name in values}


def update_l7policy(change: Change, who: Context, row: L7PolicyRecord, values: Values) -> Values:
    listener = change.row(LISTENERS, row.listener_id)
    l7policy_rules.check_is_a_change(values)
    position = values.pop("position", None)
    complete = l7policy_rules.complete(values, row)
    creation.check_redirect_pool(change, listener, complete["redirect_pool_id"])
    if position is not None:
        l7policy_rules.move(change.tx, listener.id, row.id, position)
    change.touch(LISTENERS, [listener.id])
    return {name: complete[name] for name in {*values, *REDIRECTS, "action", "redirect_http_code"}}


def update_l7rule(change: Change, who: Context, row: L7RuleRecord, values: Values) -> Values:
    if values.get("type", row.type) in l7rule_rules.WITHOUT_KEY:
        values["key"] = None
    l7rule_rules.check({**row._mapping, **values})
    creation.touch_policy(change, row.l7policy_id)
    return values


UPDATE: dict[str, Callable[[Change, Context, Record, Values], Values]] = {
    LOADBALANCER.name: update_loadbalancer,
    LISTENER.name: update_listener,
    POOL.name: update_pool,
    MEMBER.name: update_member,
    HEALTHMONITOR.name: update_healthmonitor,
    L7POLICY.name: update_l7policy,
    L7RULE.name: update_l7rule,
}
