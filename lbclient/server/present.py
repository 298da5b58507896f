"""Rows as the API answers them: every readable field, and the IDs of what is related."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ..resources import HEALTHMONITOR, L7POLICY, LISTENER, LOADBALANCER, POOL, Api, Resource, Type
from ..store import tables
from ..store.snapshot import Record
from .rules import l7policy as l7policy_rules

Object = dict[str, Any]
Related = dict[str, list[str]]  # row's ID -> IDs, in order


def one(tx: sa.Connection, resource: Resource, row: Record) -> Object:
    """One row as a JSON object."""
    return many(tx, resource, [row])[0]


def many(tx: sa.Connection, resource: Resource, rows: Sequence[Record], fields: Sequence[str] = ()) -> list[Object]:
    """Rows as JSON objects, with those attributes only that are asked for; names that are not known are passed over."""
    plain = [field.name for field in resource.fields if Api.GET in field.api and field.type is not Type.REFERENCES]
    plain = [name for name in plain if name in tables.TABLES[resource.name].c]
    numbers = [field.name for field in resource.fields if field.as_number]
    relations = _relations(tx, resource, rows, fields)
    objects = []
    for row in rows:
        values = row._mapping
        item = {name: values[name] for name in plain}
        for name in numbers:
            item[name] = item[name] and float(item[name])
        for name, related in relations.items():
            item[name] = [{"id": id_} for id_ in related.get(row.id, ())]
        item["tenant_id"] = values["project_id"]
        objects.append({name: item[name] for name in item if name in fields} if fields else item)
    if resource is POOL:
        _add_monitors(tx, rows, objects, fields)
    return objects


def plain(resource: Resource, row: Record, fields: Sequence[str] = ()) -> Object:
    """A row whose columns are the resource's fields, as a JSON object."""
    names = [field.name for field in resource.fields if not fields or field.name in fields]
    return {name: row._mapping[name] for name in names}


def _relations(
    tx: sa.Connection, resource: Resource, rows: Sequence[Record], fields: Sequence[str]
) -> dict[str, Related]:
    wanted = RELATIONS.get(resource.name, {})
    ids = [row.id for row in rows]
    return {name: find(tx, rows, ids) for name, find in wanted.items() if not fields or name in fields}


def _owned(table: sa.Table, owner: str, order: str = "serial") -> Any:
    """The rows of a table that name the row as their owner."""

    def find(tx: sa.Connection, rows: Sequence[Record], ids: list[str]) -> Related:
        found = defaultdict(list)
        statement = sa.select(table.c.id, table.c[owner]).where(table.c[owner].in_(ids)).order_by(table.c[order])
        for id_, owner_id in tx.execute(statement):
            found[owner_id].append(id_)
        return found

    return find


def _owner(column: str) -> Any:
    """The one row that the row names in a column."""

    def find(tx: sa.Connection, rows: Sequence[Record], ids: list[str]) -> Related:
        return {row.id: [getattr(row, column)] for row in rows}

    return find


def _pool_listeners(tx: sa.Connection, rows: Sequence[Record], ids: list[str]) -> Related:
    """Listeners that use a pool: as their default, or through a policy that is at work."""
    listener, policy = tables.LISTENER, tables.L7POLICY
    default = sa.select(listener.c.default_pool_id.label("pool_id"), listener.c.id, listener.c.serial)
    through = sa.select(policy.c.redirect_pool_id, listener.c.id, listener.c.serial).join_from(
        policy, listener, policy.c.listener_id == listener.c.id
    )
    both = sa.union(
        default.where(listener.c.default_pool_id.in_(ids)),
        through.where(policy.c.redirect_pool_id.in_(ids), l7policy_rules.is_at_work()),
    )
    found = defaultdict(list)
    for pool_id, id_, _serial in sorted(tx.execute(both), key=lambda row: row[2]):
        found[pool_id].append(id_)
    return found


def _add_monitors(tx: sa.Connection, rows: Sequence[Record], objects: list[Object], fields: Sequence[str]) -> None:
    """healthmonitor_id is absent, rather than null, on a pool without one."""
    if fields and "healthmonitor_id" not in fields:
        return
    monitors = _owned(tables.HEALTHMONITOR, "pool_id")(tx, rows, [row.id for row in rows])
    for row, item in zip(rows, objects, strict=True):
        if monitors.get(row.id):
            item["healthmonitor_id"] = monitors[row.id][0]


RELATIONS: dict[str, dict[str, Any]] = {
    LOADBALANCER.name: {
        "listeners": _owned(tables.LISTENER, "loadbalancer_id"),
        "pools": _owned(tables.POOL, "loadbalancer_id"),
    },
    LISTENER.name: {
        "loadbalancers": _owner("loadbalancer_id"),
        "l7policies": _owned(tables.L7POLICY, "listener_id", "position"),
    },
    POOL.name: {
        "loadbalancers": _owner("loadbalancer_id"),
        "listeners": _pool_listeners,
        "members": _owned(tables.MEMBER, "pool_id"),
    },
    HEALTHMONITOR.name: {"pools": _owner("pool_id")},
    L7POLICY.name: {"rules": _owned(tables.L7RULE, "l7policy_id")},
}
