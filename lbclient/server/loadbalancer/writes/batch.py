"""Batch update of a pool's members: create or update the given members, delete all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ....resources import MEMBER, POOL, Api
from ....store import settling
from ....store.addresses import canonical
from ....store.prepared import by
from ....store.records import Record
from ....store.tables import MEMBER as MEMBERS
from ...errors import BadRequest, ValidationFailure
from ...services import Services
from ...web.routing import Answer, Request
from .. import bodies, policy
from ..rules import member as member_rules
from . import creation, provider_support, transaction
from .transaction import Change

Key = tuple[str, int]
Values = dict[str, Any]


@dataclass(frozen=True)
class Given:
    """A member as it was given."""

    complete: Values  # with defaults
    named: Values  # without


@dataclass(frozen=True)
class Plan:
    """The members to create, update and delete."""

    revision: int | None  # of the load balancer, which grows with every change
    new: list[Values]  # drafts, with defaults for attributes that were not given
    changed: dict[str, Values]  # by ID: the attributes that differ
    gone: list[Record]

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


def update_members(services: Services, request: Request, pool_id: str) -> Answer:
    """PUT of a pool's members; answers 202, and writes nothing if no member differs."""
    given, twice = _given(request.body)
    is_additive = _is_additive(request)

    def find(tx: sa.Connection) -> tuple[str, None]:
        pool = policy.visible_parent(services, tx, request.who, "member:put", POOL, pool_id)
        for verb in ("post",) if is_additive else ("post", "delete"):
            policy.check(services, request.who, f"member:{verb}", pool.project_id)
        return pool.loadbalancer_id, None

    def planned(tx: sa.Connection, loadbalancer_id: str) -> Plan:
        plan = _plan(tx, loadbalancer_id, pool_id, given, is_additive)
        _check_is_given_once(twice, plan)
        _check_addresses(services, plan)
        return plan

    def operation(change: Change, _: None) -> None:
        loadbalancer = change.loadbalancer
        is_current = loadbalancer.revision == plan.revision
        _carry_out(change, request, pool_id, plan if is_current else planned(change.tx, loadbalancer.id))
        change.touch_loadbalancer()
        provider_support.check(services, change)

    with services.store.reading() as tx:
        plan = planned(tx, find(tx)[0])
    if plan:
        transaction.change(services, find, operation, who=request.who)
    return Answer(None, 202)


def _given(body: Any) -> tuple[dict[Key, Given], list[Key]]:
    """Return the members given, by address and port, and the keys given more than once. Raises BadRequest."""
    if not isinstance(body, dict) or set(body) != {"members"} or not isinstance(body["members"], list):
        raise BadRequest('The body should be an object with a list of members: {"members": [...]}.')
    found: dict[Key, Given] = {}
    twice = []
    for attributes in body["members"]:
        complete = bodies.created(MEMBER, {MEMBER.key: attributes})
        key = _key(complete)
        if key in found:
            twice.append(key)
        found[key] = Given(complete, {name: complete[name] for name in complete if name in attributes})
    return found, twice


def _key(member: Values) -> Key:
    """Return the address and port that identify a member within its pool."""
    return canonical(member["address"]), member["protocol_port"]


def _check_is_given_once(twice: list[Key], plan: Plan) -> None:
    """Refuse members that are given twice.

    As in Octavia, raises Conflict for a new member and ValidationFailure for an existing one.
    """
    new = {_key(given) for given in plan.new} if twice else set()
    for key in twice:
        if key in new:
            raise member_rules.taken(*key)
        raise ValidationFailure(f"Member {key[0]} with protocol_port {key[1]} is given twice.")


def _plan(tx: sa.Connection, loadbalancer_id: str, pool_id: str, given: dict[Key, Given], is_additive: bool) -> Plan:
    """Compare the members of a pool with the given ones, and draft the new ones."""
    rows = by(MEMBERS, "pool_id").all(tx, pool_id=pool_id)
    known = {
        (row.address_canonical, row.protocol_port): row for row in rows if row.provisioning_status != "PENDING_DELETE"
    }
    both = [key for key in given if key in known]
    changed = {known[key].id: _differences(known[key], given[key].named) for key in both}
    return Plan(
        revision=settling.revision(tx, loadbalancer_id),
        new=[transaction.draft(MEMBERS, given[key].complete) for key in given if key not in known],
        changed={id_: values for id_, values in changed.items() if values},
        gone=[] if is_additive else [row for key, row in known.items() if key not in given],
    )


def _differences(row: Record, given: Values) -> Values:
    """Return the attributes to change; only a batch update can change a member's subnet."""
    mutable = {"subnet_id", *(field.name for field in MEMBER.fields if Api.PUT in field.api)}
    return {name: value for name, value in given.items() if name in mutable and getattr(row, name) != value}


def _carry_out(change: Change, request: Request, pool_id: str, plan: Plan) -> None:
    change.delete(MEMBERS, [row.id for row in plan.gone])
    for subnet_id in dict.fromkeys(values.get("subnet_id") for values in plan.changed.values()):
        creation.check_subnet(change, request.who, subnet_id)
    change.update_all(MEMBERS, plan.changed)
    owner = {"project_id": change.loadbalancer.project_id}
    creation.create_members(change, request.who, pool_id, [{**values, **owner} for values in plan.new])


def _check_addresses(services: Services, plan: Plan) -> None:
    """Check the addresses of new and changed members. Raises ValidationFailure."""
    allowed = member_rules.Allowed(services)
    for values in (*plan.new, *plan.changed.values()):
        allowed.check(values)


def _is_additive(request: Request) -> bool:
    return bodies.is_true(dict(request.query).get("additive_only", "false"))
