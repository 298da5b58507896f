"""QoS policies and their rules, which load balancers apply to the traffic of their VIPs."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa

from ...store import reading, serials, shaping
from ...store.network_tables import PORT, QOS_POLICY, QOS_RULE
from ...store.tables import LOADBALANCER
from ...strings import is_storable
from .. import errors
from ..attributes import BOTH, Attribute, Kind, Type
from ..services import Services
from ..web.routing import Answer, Handler, Request
from . import bodies, objects, present, rows, unkept
from .attributes import QOS_POLICIES
from .bodies import Values, bad

DIRECTION = Attribute("direction", Type.TEXT, BOTH, choices=("egress", "ingress"))
DSCP_MARKS = {0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56}


def _rules(type_: str, *attributes: Attribute) -> Kind:
    return Kind(f"{type_}_rule", f"{type_}_rules", QOS_RULE, attributes, title="QoS rule", not_found="QosRuleNotFound")


RULES = {
    "bandwidth_limit": _rules(
        "bandwidth_limit",
        Attribute("max_kbps", Type.INTEGER, BOTH, is_required=True),
        Attribute("max_burst_kbps", Type.INTEGER, BOTH),
        DIRECTION,
    ),
    "dscp_marking": _rules("dscp_marking", Attribute("dscp_mark", Type.INTEGER, BOTH, is_required=True, maximum=56)),
    "minimum_bandwidth": _rules(
        "minimum_bandwidth", Attribute("min_kbps", Type.INTEGER, BOTH, is_required=True), DIRECTION
    ),
}
DEFAULTS: dict[str, Values] = {
    "bandwidth_limit": {"max_burst_kbps": 0, "direction": "egress"},
    "dscp_marking": {},
    "minimum_bandwidth": {"direction": "egress"},
}


def add(tx: sa.Connection, request: Request, values: Values) -> str:
    """Create a policy without rules and return its ID."""
    return rows.new(tx, QOS_POLICY, **objects.columns(QOS_POLICIES, values))


def update(services: Services, request: Request, id_: str) -> Answer:
    values = bodies.changed(QOS_POLICIES, request.body, request.who)
    with services.store.writing() as tx:
        row = objects.own(tx, QOS_POLICIES, id_, request.who, "update")
        changed = objects.change(tx, QOS_POLICIES, row, objects.columns(QOS_POLICIES, values))
        return Answer({"policy": present.qos_policies(tx, [changed])[0]})


def delete(services: Services, request: Request, id_: str) -> Answer:
    """DELETE of a policy and its rules; Conflict if a port or a load balancer uses it."""
    with services.store.writing() as tx:
        objects.own(tx, QOS_POLICIES, id_, request.who, "delete")
        for table, column, user in ((PORT, PORT.c.qos_policy_id, "port"), (LOADBALANCER, VIP_POLICY, "load balancer")):
            used = tx.scalar(sa.select(table.c.id).where(column == id_).limit(1))
            if used is not None:
                raise errors.Conflict(f"QoS Policy {id_} is used by {user} {used}.", "QosPolicyInUse")
        tx.execute(sa.delete(QOS_RULE).where(QOS_RULE.c.qos_policy_id == id_))
        tx.execute(sa.delete(QOS_POLICY).where(QOS_POLICY.c.id == id_))
    return Answer(status=204)


VIP_POLICY = LOADBALANCER.c.vip_qos_policy_id


def list_types(services: Services, request: Request) -> Answer:
    """List the supported types of rules."""
    return Answer({"rule_types": [{"type": type_} for type_ in RULES]})


def list_rules(type_: str) -> Handler:
    def handle(services: Services, request: Request, policy_id: str) -> Answer:
        with services.store.reading() as tx:
            policy = objects.existing(tx, QOS_POLICIES, policy_id, request.who)
            found = tx.execute(_of(policy.id, type_).order_by(QOS_RULE.c.serial))
            return Answer({RULES[type_].plural: [_present(type_, row) for row in found]})

    return handle


def show_rule(type_: str) -> Handler:
    def handle(services: Services, request: Request, policy_id: str, id_: str) -> Answer:
        with services.store.reading() as tx:
            policy = objects.existing(tx, QOS_POLICIES, policy_id, request.who)
            return Answer({RULES[type_].name: _present(type_, _find(tx, policy.id, type_, id_))})

    return handle


def add_rule(type_: str) -> Handler:
    """Return the handler that adds a rule to a policy; a policy has at most one of each type and direction."""

    def handle(services: Services, request: Request, policy_id: str) -> Answer:
        [values] = bodies.created(RULES[type_], _singular(request.body), request.who)
        row = {**DEFAULTS[type_], **objects.columns(RULES[type_], values)}
        with services.store.writing() as tx:
            policy = objects.own(tx, QOS_POLICIES, policy_id, request.who, "create_rule_in")
            _check(tx, policy.id, type_, row)
            id_ = str(uuid.uuid4())
            place = {"id": id_, "qos_policy_id": policy.id, "type": type_, "serial": serials.of_row(tx)}
            tx.execute(sa.insert(QOS_RULE).values({**row, **place}))
            woken = _affected(services, tx, policy.id)
            found = _present(type_, _find(tx, policy.id, type_, id_))
            warnings = unkept.headers(tx, policy.id, woken)
        services.wake(woken)
        return Answer({RULES[type_].name: found}, 201, warnings)

    return handle


def _singular(body: Any) -> Any:
    """Remove plural keys from a body: rules are created one at a time."""
    return {name: value for name, value in body.items() if not name.endswith("s")} if isinstance(body, dict) else body


def update_rule(type_: str) -> Handler:
    def handle(services: Services, request: Request, policy_id: str, id_: str) -> Answer:
        values = objects.columns(RULES[type_], bodies.changed(RULES[type_], request.body, request.who))
        with services.store.writing() as tx:
            policy = objects.own(tx, QOS_POLICIES, policy_id, request.who, "update_rule_of")
            before = _find(tx, policy.id, type_, id_)
            _check(tx, policy.id, type_, {**before._mapping, **values})
            if values:
                tx.execute(sa.update(QOS_RULE).where(QOS_RULE.c.id == before.id).values(values))
            woken = _affected(services, tx, policy.id)
            found = _present(type_, _find(tx, policy.id, type_, id_))
        services.wake(woken)
        return Answer({RULES[type_].name: found})

    return handle


def delete_rule(type_: str) -> Handler:
    def handle(services: Services, request: Request, policy_id: str, id_: str) -> Answer:
        with services.store.writing() as tx:
            policy = objects.own(tx, QOS_POLICIES, policy_id, request.who, "delete_rule_of")
            tx.execute(sa.delete(QOS_RULE).where(QOS_RULE.c.id == _find(tx, policy.id, type_, id_).id))
            woken = _affected(services, tx, policy.id)
        services.wake(woken)
        return Answer(status=204)

    return handle


def _affected(services: Services, tx: sa.Connection, policy_id: str) -> list[str]:
    """Return the IDs of the load balancers that have the policy.

    Raises errors.Conflict if the data plane of one of them cannot apply the rules as they are in the transaction.
    """
    found = []
    for id_ in shaping.concerned(tx, policy_id):
        snapshot = reading.snapshot(tx, id_, with_members=False)
        if snapshot is None or services.config.is_noop(snapshot.loadbalancer.provider):
            continue
        reason = services.dataplane.unsupported(snapshot)
        if reason:
            raise errors.Conflict(f"QoS policy {policy_id} is used by load balancer {id_}: {reason}.")
        found.append(id_)
    return found


def _of(policy_id: str, type_: str) -> sa.Select[Any]:
    return sa.select(QOS_RULE).where(QOS_RULE.c.qos_policy_id == policy_id, QOS_RULE.c.type == type_)


def _find(tx: sa.Connection, policy_id: str, type_: str, id_: str) -> Any:
    wanted = _of(policy_id, type_).where(QOS_RULE.c.id == id_)
    row = tx.execute(wanted).one_or_none() if is_storable(id_) else None
    if row is None:
        why = f"QoS rule {id_} for policy {policy_id} could not be found."
        raise errors.NotFound(why, kind=RULES[type_].not_found)
    return row


def _check(tx: sa.Connection, policy_id: str, type_: str, row: Values) -> None:
    """Check a rule's values, and that it is the only one of its type and direction.

    Raises errors.BadRequest and errors.Conflict.
    """
    if row.get("dscp_mark") is not None and row["dscp_mark"] not in DSCP_MARKS:
        raise bad(f"Invalid input for dscp_mark. Reason: '{row['dscp_mark']}' is not in {sorted(DSCP_MARKS)}.")
    same = _of(policy_id, type_).where(QOS_RULE.c.direction.is_not_distinct_from(row.get("direction")))
    others = [other.id for other in tx.execute(same) if other.id != row.get("id")]
    if others:
        why = f"Rule {type_} (rule id {others[0]}) of QoS policy {policy_id} already has this type and direction."
        raise errors.Conflict(why, kind="QoSRulesConflict")


def _present(type_: str, row: Any) -> Values:
    return {"id": row.id, **{attribute.name: getattr(row, attribute.name) for attribute in RULES[type_].attributes}}
