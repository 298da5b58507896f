"""Create a load balancer with its pools, listeners, policies and rules in one request: all of them, or nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from ....resources import HEALTHMONITOR, L7POLICY, L7RULE, LISTENER, LOADBALANCER, MEMBER, POOL, Resource
from ....resources.tree import LEFT_OUT, OWNERS
from ....store import reading
from ....store.records import L7PolicyRecord, ListenerRecord, LoadBalancerRecord, PoolRecord, Record
from ....store.snapshot import Snapshot
from ....store.tables import TABLES
from ...access.context import Context
from ...errors import BadRequest, Error, InvalidInput, ValidationFailure
from ...services import Services
from .. import bodies, present
from ..rules import member as member_rules
from . import creation, transaction
from .staging import Staged
from .transaction import Change

Object = dict[str, Any]

Members = dict[str, list[Object]]  # the columns of new members, by pool


def split(body: Any) -> tuple[Any, list[Object], list[Object]]:
    """Split a body into itself without its parts, its listeners and its pools. Raises BadRequest and InvalidInput."""
    if not isinstance(body, dict) or not isinstance(body.get(LOADBALANCER.key), dict):
        return body, [], []
    attributes = dict(body[LOADBALANCER.key])
    listeners, pools = (_objects(attributes, name) for name in ("listeners", "pools"))
    return {**body, LOADBALANCER.key: attributes}, listeners, pools


class Drafts:
    """The checked members of a request: what needs no transaction is done before others have to wait for this one."""

    def __init__(self, services: Services) -> None:
        self._allowed = member_rules.Allowed(services)
        self._found: dict[int, Object] = {}  # by the identity of what the body has
        self.of_pools: dict[int, list[Object]] = {}  # all members of a pool, if none has an error

    def prepare(self, listeners: list[Object], pools: list[Object]) -> None:
        """Draft the members of all pools. Those with errors are left to `of`, so that the first error is reported."""
        policies = [policy for listener in listeners for policy in _listed(listener, "l7policies")]
        inline = [each.get("default_pool") for each in listeners] + [each.get("redirect_pool") for each in policies]
        for pool in (*pools, *inline):
            members = _listed(pool, "members")
            for member in members:
                with suppress(Error):
                    self._found[id(member)] = self._draft(member)
            drafts = [self._found[id(member)] for member in members if id(member) in self._found]
            if len(drafts) == len(_given(pool, "members")):
                self.of_pools[id(pool)] = drafts

    def of(self, member: Object) -> Object:
        """Return the columns of a new member, but for those of its owners. Raises errors.Error."""
        found = self._found.get(id(member))
        return self._draft(member) if found is None else found

    def _draft(self, member: Object) -> Object:
        _check_has_no_owner(MEMBER, member)
        values = bodies.created(MEMBER, {MEMBER.key: member})
        self._allowed.check(values)
        return transaction.draft(TABLES[MEMBER.name], values)


def fill(
    change: Change, who: Context, drafts: Drafts, staged: Staged, listeners: list[Object], pools: list[Object]
) -> Members:
    """Create the parts of a load balancer that was created in the same transaction; return its members.

    Raises errors.Error.
    """
    filling = _Filling(change, who, drafts, staged)
    for pool in pools:
        filling.pool(pool)
    for listener in listeners:
        filling.listener(listener)
    return filling.members


def answer(tx: sa.Connection, loadbalancer: LoadBalancerRecord) -> Object:
    """Return the load balancer with all of its parts in full, but without the members of its pools."""
    snapshot = reading.snapshot(tx, loadbalancer.id, with_members=False)
    assert snapshot is not None  # its row was created in this transaction
    found = present.loaded(tx, LOADBALANCER, loadbalancer.id)
    found["pools"] = [_full_pool(tx, snapshot, pool) for pool in snapshot.pools]
    found["listeners"] = [_full_listener(tx, snapshot, listener) for listener in snapshot.listeners]
    return found


def add_members(found: Object, members: Members) -> None:
    """Add the members to the pools of an answer; needs no transaction, since there may be thousands."""
    for pool in found["pools"]:
        pool["members"] = [present.drafted(MEMBER, row) for row in members.get(pool["id"], ())]


class _Filling:
    """Creates the parts of a load balancer; listeners and policies refer to pools by name."""

    def __init__(self, change: Change, who: Context, drafts: Drafts, staged: Staged) -> None:
        self._change = change
        self._who = who
        self._drafts = drafts
        self._staged = staged
        self._pools: dict[str | None, str] = {}
        self.members: Members = {}

    def pool(self, given: Object) -> str:
        """Create a pool with its members and its health monitor, and return its ID."""
        attributes = dict(given)
        members = _objects(attributes, "members")
        monitor = attributes.pop("healthmonitor", None)
        name = attributes.get("name")
        if isinstance(name, (list, dict)):
            raise InvalidInput("name", name, "It should be a string.")
        if name in self._pools:
            twice = f"{name} is given twice" if name else "several have none"
            raise ValidationFailure(f"Pools must have different names in one request; {twice}.")
        owner = {"loadbalancer_id": self._change.loadbalancer.id}
        known = self._staged.pool(given)
        if known is None:
            pool_id = self._create(POOL, attributes, **owner).id
            self._members(pool_id, members)
        else:
            values = {**self._values(POOL, attributes, **owner), "id": known.id}
            pool_id = creation.create_pool(self._change, self._who, values).id
            creation.adopt_members(self._change, self._who, known.rows)
            self.members[pool_id] = known.rows
        self._pools[name] = pool_id
        if monitor is not None:
            self._create(HEALTHMONITOR, _object(monitor, "healthmonitor"), pool_id=pool_id)
        return str(pool_id)

    def _members(self, pool_id: str, members: list[Object]) -> None:
        """Create the members of a pool, all at once: there may be thousands."""
        owner = {"pool_id": pool_id, "project_id": self._change.loadbalancer.project_id}
        self.members[pool_id] = rows = [{**self._drafts.of(member), **owner} for member in members]
        creation.create_members(self._change, self._who, pool_id, rows)

    def listener(self, given: Object) -> None:
        attributes = dict(given)
        policies = _objects(attributes, "l7policies")
        self._replace_pool(attributes, "default_pool")
        owner = {"loadbalancer_id": self._change.loadbalancer.id}
        listener_id = self._create(LISTENER, attributes, **owner).id
        for number, policy in enumerate(policies, 1):
            self._policy(listener_id, policy, number)

    def _policy(self, listener_id: str, given: Object, number: int) -> None:
        attributes = dict(given)
        rules = _objects(attributes, "rules")
        if "redirect_pool_id" in attributes:
            raise BadRequest(f"Unknown attribute for argument {L7POLICY.key}: redirect_pool_id")
        self._replace_pool(attributes, "redirect_pool")
        values = self._values(L7POLICY, attributes, listener_id=listener_id)
        last = number if attributes.get("position") is None else None
        policy_id = creation.create_l7policy(self._change, self._who, values, last).id
        for rule in rules:
            self._create(L7RULE, rule, l7policy_id=policy_id)

    def _replace_pool(self, attributes: Object, name: str) -> None:
        """Replace a pool that is given inline, or by its name only, by its ID, creating it if it is inline."""
        given = attributes.pop(name, None)
        if given is None:
            return
        pool = _object(given, name)
        if pool and not pool.get("name"):
            raise ValidationFailure("Pools must be named where a listener or a policy has them.")
        if set(pool) != {"name"}:
            attributes[f"{name}_id"] = self.pool(pool)
        elif pool["name"] in self._pools:
            attributes[f"{name}_id"] = self._pools[pool["name"]]
        else:
            raise BadRequest(f"Missing details for Pool object: {pool['name']}")

    def _create(self, resource: Resource, attributes: Object, **owner: str) -> Record:
        """Create a row under the same rules as in a request of its own."""
        return creation.CREATE[resource.name](self._change, self._who, self._values(resource, attributes, **owner))

    def _values(self, resource: Resource, attributes: Object, **owner: str) -> Object:
        """Return the checked values of a new row."""
        _check_has_no_owner(resource, attributes)
        values = bodies.created(resource, {resource.key: {**attributes, **_known(resource, owner)}})
        return {**values, **owner, "project_id": self._change.loadbalancer.project_id}


def _check_has_no_owner(resource: Resource, attributes: Object) -> None:
    unknown = sorted({*OWNERS, "tenant_id"} & attributes.keys())
    if unknown:
        raise BadRequest(f"Unknown attribute for argument {resource.key}: {', '.join(unknown)}")


def _listed(owner: Any, name: str) -> list[Object]:
    """Return the objects in a list of another object; what is neither is left out."""
    return [each for each in _given(owner, name) if isinstance(each, dict)]


def _given(owner: Any, name: str) -> list[Any]:
    """Return a list of another object; an empty one if it is none."""
    found = owner.get(name) if isinstance(owner, dict) else None
    return found if isinstance(found, list) else []


def _known(resource: Resource, owner: dict[str, str]) -> dict[str, str]:
    """Return the owner's ID if it is an attribute in bodies of this resource, not a part of the path; otherwise {}."""
    names = {field.name for field in resource.fields}
    return {name: id_ for name, id_ in owner.items() if name in names}


def _objects(attributes: Object, name: str) -> list[Object]:
    """Remove a list of objects from the attributes and return it. Raises InvalidInput and BadRequest."""
    found = attributes.pop(name, None)
    found = [] if found is None else found
    if not isinstance(found, list):
        raise InvalidInput(name, found, "It should be a list of objects.")
    return [_object(each, name) for each in found]


def _object(value: Any, name: str) -> Object:
    if not isinstance(value, dict):
        raise BadRequest(f"Invalid input for field/attribute {name}. Value: '{value}'. It should be an object.")
    return value


def _full_pool(tx: sa.Connection, snapshot: Snapshot, pool: PoolRecord) -> Object:
    monitor = snapshot.healthmonitors.get(pool.id)
    return {
        **_full(tx, POOL, pool),
        "members": [],
        "healthmonitor": None if monitor is None else _full(tx, HEALTHMONITOR, monitor),
    }


def _full_listener(tx: sa.Connection, snapshot: Snapshot, listener: ListenerRecord) -> Object:
    policies = [_full_policy(tx, snapshot, policy) for policy in snapshot.l7policies[listener.id]]
    return {**_full(tx, LISTENER, listener), "l7policies": policies}


def _full_policy(tx: sa.Connection, snapshot: Snapshot, policy: L7PolicyRecord) -> Object:
    rules = [present.one(tx, L7RULE, rule.id) for rule in snapshot.l7rules[policy.id]]
    return {**_full(tx, L7POLICY, policy), "rules": rules}


def _full(tx: sa.Connection, resource: Resource, row: Record) -> Object:
    left_out = LEFT_OUT.get(resource.name, ())
    return {name: value for name, value in present.loaded(tx, resource, row.id).items() if name not in left_out}
