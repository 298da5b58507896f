"""Rows as the API answers them: every readable field, and the IDs of what is related."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from ..resources import ALL, HEALTHMONITOR, L7POLICY, LISTENER, LOADBALANCER, POOL, Api, Resource, Type
from ..store import tables
from ..store.prepared import Prepared, among
from ..store.snapshot import Record

Object = dict[str, Any]
Related = dict[str, list[str]]  # row's ID -> IDs, in order

BY_NAME = {resource.name: resource for resource in ALL}


def one(tx: sa.Connection, resource: Resource, row: Record) -> Object:
    """One row as a JSON object."""
    return many(tx, resource, [row])[0]


def many(tx: sa.Connection, resource: Resource, rows: Sequence[Record], fields: Sequence[str] = ()) -> list[Object]:
    """Whole rows as JSON objects, with those attributes only that are asked for; unknown names are passed over."""
    names, places = _columns(resource.name)
    take = itemgetter(*places)
    objects = [dict(zip(names, take(row), strict=True)) for row in rows]
    for name in _numbers(resource.name):
        for item in objects:
            item[name] = item[name] and float(item[name])
    for name, related in _relations(tx, resource, rows, fields).items():
        for item in objects:
            item[name] = [{"id": id_} for id_ in related.get(item["id"], ())]
    for item in objects:
        item["tenant_id"] = item["project_id"]
    if resource is POOL:
        _add_monitors(tx, rows, objects, fields)
    if fields:
        return [{name: item[name] for name in item if name in fields} for item in objects]
    return objects


@cache
def _columns(name: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The attributes of a resource that are columns, and their places in a row."""
    columns = tables.TABLES[name].c.keys()
    shown = [each.name for each in BY_NAME[name].fields if Api.GET in each.api and each.type is not Type.REFERENCES]
    names = tuple(each for each in shown if each in columns)
    return names, tuple(columns.index(each) for each in names)


@cache
def _numbers(name: str) -> tuple[str, ...]:
    return tuple(field.name for field in BY_NAME[name].fields if field.as_number)


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
    column = table.c[owner]
    statement = Prepared(sa.select(table.c.id, column).where(among(column)).order_by(table.c[order]))

    def find(tx: sa.Connection, rows: Sequence[Record], ids: list[str]) -> Related:
        found = defaultdict(list)
        for id_, owner_id in statement.all(tx, values=ids):
            found[owner_id].append(id_)
        return found

    return find


def _owner(column: str) -> Any:
    """The one row that the row names in a column."""

    def find(tx: sa.Connection, rows: Sequence[Record], ids: list[str]) -> Related:
        return {row.id: [getattr(row, column)] for row in rows}

    return find


_USERS = Prepared(
    sa.union(
        sa.select(tables.LISTENER.c.default_pool_id, tables.LISTENER.c.id, tables.LISTENER.c.serial).where(
            among(tables.LISTENER.c.default_pool_id)
        ),
        sa.select(tables.L7POLICY.c.redirect_pool_id, tables.LISTENER.c.id, tables.LISTENER.c.serial)
        .join_from(tables.L7POLICY, tables.LISTENER, tables.L7POLICY.c.listener_id == tables.LISTENER.c.id)
        .where(among(tables.L7POLICY.c.redirect_pool_id)),
    )
)


def _pool_listeners(tx: sa.Connection, rows: Sequence[Record], ids: list[str]) -> Related:
    """Listeners that use a pool: as their default, or through a policy."""
    found = defaultdict(list)
    for pool_id, id_, _serial in sorted(_USERS.all(tx, values=ids), key=lambda row: row[2]):
        found[pool_id].append(id_)
    return found


_monitors = _owned(tables.HEALTHMONITOR, "pool_id")


def _add_monitors(tx: sa.Connection, rows: Sequence[Record], objects: list[Object], fields: Sequence[str]) -> None:
    """healthmonitor_id is absent, rather than null, on a pool without one."""
    if fields and "healthmonitor_id" not in fields:
        return
    monitors = _monitors(tx, rows, [row.id for row in rows])
    for item in objects:
        if monitors.get(item["id"]):
            item["healthmonitor_id"] = monitors[item["id"]][0]


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
