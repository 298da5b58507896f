"""Request handlers of the load-balancer API, generic over resources: list, show, create, update and delete."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...resources import L7POLICY, LISTENER, LOADBALANCER, POOL, Resource
from ...store.records import Record
from ...store.tables import TABLES
from ..errors import BadRequest, ValidationFailure
from ..services import Services
from ..web.routing import Answer, Handler, Request
from . import advice, bodies, listing, policy, present, status
from .writes import creation, deletion, provider_support, staging, transaction, tree, updating
from .writes.transaction import Change

Values = dict[str, Any]

BUSY = {LOADBALANCER.name: transaction.BUSY_LOADBALANCER}
PARENTS = {"pool_id": POOL, "l7policy_id": L7POLICY}


def list_of(resource: Resource) -> Handler:
    """GET of a collection."""

    def handler(services: Services, request: Request, **parents: str) -> Answer:
        table = TABLES[resource.name]
        wanted = listing.page(resource, table, request.query)
        with services.store.reading() as tx:
            if parents:
                _check_parents(services, tx, request, f"{resource.name}:get_all", parents)
                scope: dict[str, str | None] = dict(parents)
            else:
                scope = policy.scope(services, request.who, resource)
            rows = listing.rows(tx, resource, table, wanted, scope, present.columns(resource, wanted.fields))
        found = present.as_json(resource, rows, wanted.fields)
        path = resource.path.format(**parents)
        links = listing.links(request, path, wanted, rows)
        return Answer({resource.collection: found, f"{resource.collection}_links": links})

    return handler


def show(resource: Resource) -> Handler:
    """GET of one object."""

    def handler(services: Services, request: Request, id: str, **parents: str) -> Answer:
        action = f"{resource.name}:get_one"
        with services.store.reading() as tx:
            _check_parents(services, tx, request, action, parents)
            policy.visible(services, tx, request.who, action, resource, id, **parents)
            found = present.one(tx, resource, id, listing.fields(request.query))
        return Answer({resource.key: found})

    return handler


def create_loadbalancer(services: Services, request: Request) -> Answer:
    """POST of a load balancer, optionally with its listeners, pools and their parts in the same request."""
    body, listeners, pools = tree.split(request.body)
    drafts = tree.Drafts(services)
    drafts.prepare(listeners, pools)
    with (
        staging.members(services, request.who, body, drafts.of_pools) as staged,
        transaction.writing(services) as (tx, after),
    ):
        row = creation.create_loadbalancer(services, request.who, body, tx, staged.loadbalancer_id)
        change = Change(services, tx, row, is_new=True, who=request.who)
        change.note_new(LOADBALANCER, row)
        members = tree.fill(change, request.who, drafts, staged, listeners, pools)
        provider_support.check(services, change)
        whole = tree.answer(tx, row) if listeners or pools else None
        found = present.one(tx, LOADBALANCER, row.id) if whole is None else whole
        warnings = advice.headers(services, tx, row)
        change.finish(after)
    if whole is not None:
        tree.add_members(whole, members)
    return Answer({LOADBALANCER.key: found}, 201, warnings)


def create(resource: Resource) -> Handler:
    """POST of an object that belongs to a load balancer."""

    def handler(services: Services, request: Request, **parents: str) -> Answer:
        action = f"{resource.name}:post"
        told: dict[str, str] = {}

        def find(tx: sa.Connection) -> tuple[str, Values]:
            owner_id = _check_parents(services, tx, request, action, parents)
            values = {**bodies.created(resource, request.body), **parents}
            return _owner(services, tx, request, action, values, owner_id).id, values

        def operation(change: Change, values: Values) -> Any:
            values["project_id"] = change.loadbalancer.project_id
            row = creation.CREATE[resource.name](change, request.who, values)
            change.touch_loadbalancer()
            provider_support.check(services, change)
            if resource is LISTENER:
                told.update(advice.headers(services, change.tx, change.loadbalancer))
            return present.one(change.tx, resource, row.id)

        return Answer({resource.key: transaction.change(services, find, operation, who=request.who)}, 201, told)

    return handler


def update(resource: Resource) -> Handler:
    """PUT of one object."""
    table = TABLES[resource.name]
    busy = BUSY.get(resource.name, transaction.BUSY)

    def handler(services: Services, request: Request, id: str, **parents: str) -> Answer:
        action = f"{resource.name}:put"
        told: dict[str, str] = {}

        def find(tx: sa.Connection) -> tuple[str, tuple[Record, Values]]:
            _check_parents(services, tx, request, action, parents)
            values = bodies.changed(resource, request.body)
            row = policy.visible(services, tx, request.who, action, resource, id, **parents)
            return _loadbalancer_id(resource, row), (row, values)

        def operation(change: Change, found: tuple[Record, Values]) -> Any:
            complete = updating.UPDATE[resource.name](change, request.who, *found)
            change.update(table, id, complete)
            change.touch_loadbalancer()
            provider_support.check(services, change)
            if resource is LOADBALANCER and complete.get("vip_qos_policy_id"):
                told.update(advice.headers(services, change.tx, change.row(table, id)))
            return present.one(change.tx, resource, id)

        changed = transaction.change(services, find, operation, busy=busy, who=request.who)
        return Answer({resource.key: changed}, headers=told)

    return handler


def delete(resource: Resource) -> Handler:
    """DELETE of one object."""
    busy = BUSY.get(resource.name, transaction.BUSY)

    def handler(services: Services, request: Request, id: str, **parents: str) -> Answer:
        action = f"{resource.name}:delete"
        options = {"is_cascade": True} if resource is LOADBALANCER and _is_cascade(request) else {}

        def find(tx: sa.Connection) -> tuple[str, Record]:
            _check_parents(services, tx, request, action, parents)
            row = policy.visible(services, tx, request.who, action, resource, id, **parents)
            return _loadbalancer_id(resource, row), row

        def operation(change: Change, row: Record) -> None:
            if resource is not LOADBALANCER:
                change.touch_loadbalancer()
            deletion.DELETE[resource.name](change, row, **options)

        transaction.change(services, find, operation, busy=busy, who=request.who)
        return Answer(None, 204)

    return handler


def show_status(services: Services, request: Request, id: str) -> Answer:
    """GET of a load balancer's status tree."""
    with services.store.reading() as tx:
        row = policy.visible(services, tx, request.who, "loadbalancer:get_status", LOADBALANCER, id)
        return Answer(status.tree(tx, row))


def _loadbalancer_id(resource: Resource, row: Record) -> str:
    id_: str = row.id if resource is LOADBALANCER else row.loadbalancer_id
    return id_


def _check_parents(
    services: Services, tx: sa.Connection, request: Request, action: str, parents: dict[str, str]
) -> str | None:
    """Return the ID of the load balancer that owns the parent in the path; None if the path names no parent.

    Raises NoSuchParent and Forbidden.
    """
    for name, id_ in parents.items():
        owner: str = policy.visible_parent(services, tx, request.who, action, PARENTS[name], id_).loadbalancer_id
        return owner
    return None


def _owner(
    services: Services,
    tx: sa.Connection,
    request: Request,
    action: str,
    values: dict[str, Any],
    owner_id: str | None,
) -> Record:
    """Return the load balancer that a new object will belong to. Raises NotFound, Forbidden or BadRequest."""
    for name, resource in (("listener_id", LISTENER), ("pool_id", POOL), ("l7policy_id", L7POLICY)):
        if values.get(name) and owner_id is None:
            found = policy.referenced(services, tx, request.who, action, resource, values[name])
            owner_id = found.loadbalancer_id
    named = values.get("loadbalancer_id") or owner_id
    if named is None:
        raise ValidationFailure("Must provide at least one of: loadbalancer_id, listener_id.")
    if owner_id not in (None, named):
        raise BadRequest(f"Listener {values['listener_id']} belongs to another load balancer.")
    return policy.referenced(services, tx, request.who, action, LOADBALANCER, named)


def _is_cascade(request: Request) -> bool:
    return bodies.is_true(dict(request.query).get("cascade", "false"))
