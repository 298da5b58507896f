"""A pool's members changed as a whole: what is given is made or changed, what is not given goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..resources import MEMBER, POOL, Api
from ..store.snapshot import Record
from ..store.tables import MEMBER as MEMBERS
from . import changes, creation, deletion, policy, provider, requests
from .changes import Change
from .errors import BadRequest, ValidationFailure
from .http import Answer, Request, Services

Key = tuple[str, int]
Values = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is to be done, by address and port."""

    new: list[Any]  # as given
    changed: dict[str, Values]  # by ID: what differs
    gone: list[Record]

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


def update_members(services: Services, request: Request, pool_id: str) -> Answer:
    """PUT of a pool's members: 202, and nothing touched where nothing differs."""
    given = _given(request.body)
    is_additive = _is_additive(request)
    with services.store.reading() as tx:
        pool = policy.visible(services, tx, request.who, "member:put", POOL, pool_id)
        for verb in ("post",) if is_additive else ("post", "delete"):
            policy.check(services, request.who, f"member:{verb}", pool.project_id)
        if not _plan(tx, pool_id, given, is_additive):
            return Answer(None, 202)

    def operation(change: Change) -> None:
        _carry_out(change, request, pool_id, _plan(change.tx, pool_id, given, is_additive))
        change.touch_loadbalancer()
        provider.check(services, change)

    changes.change(services, pool.loadbalancer_id, operation, who=request.who)
    return Answer(None, 202)


def _given(body: Any) -> dict[Key, Values]:
    """The members by address and port, their attributes as given. Raises BadRequest."""
    if not isinstance(body, dict) or set(body) != {"members"} or not isinstance(body["members"], list):
        raise BadRequest('The body should be an object with a list of members: {"members": [...]}.')
    found: dict[Key, Values] = {}
    for attributes in body["members"]:
        complete = requests.created(MEMBER, {MEMBER.key: attributes})
        key = (complete["address"], complete["protocol_port"])
        if key in found:
            raise ValidationFailure(f"Member {key[0]} with protocol_port {key[1]} is given twice.")
        found[key] = {name: complete[name] for name in complete if name in attributes}
    return found


def _plan(tx: sa.Connection, pool_id: str, given: dict[Key, Values], is_additive: bool) -> Plan:
    mine = MEMBERS.c.pool_id == pool_id
    living = MEMBERS.c.provisioning_status != "PENDING_DELETE"
    known = {(row.address, row.protocol_port): row for row in tx.execute(sa.select(MEMBERS).where(mine, living))}
    both = [key for key in given if key in known]
    changed = {known[key].id: _differences(known[key], given[key]) for key in both}
    return Plan(
        new=[given[key] for key in given if key not in known],
        changed={id_: values for id_, values in changed.items() if values},
        gone=[] if is_additive else [row for key, row in known.items() if key not in given],
    )


def _differences(row: Record, given: Values) -> Values:
    mutable = {field.name for field in MEMBER.fields if Api.PUT in field.api}
    return {name: value for name, value in given.items() if name in mutable and getattr(row, name) != value}


def _carry_out(change: Change, request: Request, pool_id: str, plan: Plan) -> None:
    for row in plan.gone:
        deletion.delete_member(change, row)
    for id_, values in plan.changed.items():
        change.update(MEMBERS, id_, values)
    for given in plan.new:
        values = requests.created(MEMBER, {MEMBER.key: given})
        owner = {"pool_id": pool_id, "project_id": change.loadbalancer.project_id}
        creation.create_member(change, request.who, {**values, **owner})
    change.touch_pool(pool_id)


def _is_additive(request: Request) -> bool:
    return requests.is_true(dict(request.query).get("additive_only", "false"))
