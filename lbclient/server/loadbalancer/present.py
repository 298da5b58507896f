"""Present rows as API objects: every readable field, and the IDs of related objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import orjson
import sqlalchemy as sa

from ...resources import ALL, HEALTHMONITOR, L7POLICY, LISTENER, LOADBALANCER, POOL, Api, Field, Resource, Type
from ...store import tables
from ...store.json_sql import Id, Ids, JsonObject
from ...store.prepared import Prepared
from ...store.records import Record
from .rules import l7policy as l7policy_rules

Object = dict[str, Any]
Expression = sa.ColumnElement[Any]
Fields = Sequence[str]  # the selected attributes; () for all. Unknown names are ignored
Choice = tuple[str, ...] | None  # the known attributes among them; None for all
TENANT = "tenant_id"  # the former name of project_id
SHAPES = 256  # size of the caches of statements, one for each choice of attributes

BY_NAME = {resource.name: resource for resource in ALL}


def one(tx: sa.Connection, resource: Resource, id_: str, fields: Fields = ()) -> orjson.Fragment:
    """Return one object as JSON; its row must exist."""
    row = _statement(resource.name, _choice(resource, fields)).one(tx, row_id=id_)
    return as_json(resource, [row], fields)[0]


def loaded(tx: sa.Connection, resource: Resource, id_: str) -> Object:
    """Return one object as a dictionary, so that the caller can add to it; its row must exist."""
    found: Object = orjson.loads(orjson.dumps(one(tx, resource, id_)))
    return found


def columns(resource: Resource, fields: Fields = ()) -> tuple[Expression, ...]:
    """Return the columns that a statement has to select for as_json; the first is the ID."""
    return _columns(resource.name, _choice(resource, fields))


def as_json(resource: Resource, rows: Iterable[Record], fields: Fields = ()) -> list[orjson.Fragment]:
    """Return the objects of rows that were selected with columns(), as JSON."""
    names = _optional(resource.name, _choice(resource, fields))
    if not names:
        return [orjson.Fragment(row.document) for row in rows]
    return [orjson.Fragment(_with(row.document, zip(names, row[2:], strict=True))) for row in rows]


def drafted(resource: Resource, row: Mapping[str, Any]) -> Object:
    """Return an object from the columns of a new row; the resource has no attributes but its columns."""
    return {name: row.get("project_id" if name == TENANT else name) for name in _values(resource.name)}


def plain(resource: Resource, row: Record, fields: Fields = ()) -> Object:
    """Return a row whose columns are the resource's fields as a dictionary."""
    names = [field.name for field in resource.fields if not fields or field.name in fields]
    return {name: row._mapping[name] for name in names}


def _choice(resource: Resource, fields: Fields) -> Choice:
    if not fields:
        return None
    return tuple(name for name in (*_values(resource.name), *OPTIONAL.get(resource.name, {})) if name in fields)


def _with(document: str, values: Iterable[tuple[str, Any]]) -> str:
    """Add values to a JSON object, except those that are None."""
    more = {name: value for name, value in values if value is not None}
    if not more:
        return document
    known = document.rstrip()[:-1].rstrip()
    return f"{known}{'' if known.endswith('{') else ','}{orjson.dumps(more).decode()[1:]}"


@lru_cache(SHAPES)
def _statement(name: str, choice: Choice) -> Prepared:
    table = tables.TABLES[name]
    return Prepared(sa.select(*_columns(name, choice)).where(table.c.id == sa.bindparam("row_id")))


@lru_cache(SHAPES)
def _columns(name: str, choice: Choice) -> tuple[Expression, ...]:
    values = {key: value for key, value in _values(name).items() if choice is None or key in choice}
    extra = [OPTIONAL[name][key].label(key) for key in _optional(name, choice)]
    return (tables.TABLES[name].c.id, JsonObject(values).label("document"), *extra)


def _optional(name: str, choice: Choice) -> list[str]:
    return [key for key in OPTIONAL.get(name, {}) if choice is None or key in choice]


@cache
def _values(name: str) -> dict[str, Expression]:
    """Map every attribute to its SQL expression, in the order of an answer."""
    table = tables.TABLES[name]
    shown = [field for field in BY_NAME[name].fields if Api.GET in field.api and field.type is not Type.REFERENCES]
    plain = {field.name: _value(table, field) for field in shown if field.name in table.c}
    return {**plain, **RELATIONS.get(name, {}), TENANT: table.c.project_id}


def _value(table: sa.Table, field: Field) -> Expression:
    column: Expression = table.c[field.name]
    return sa.cast(column, sa.Double()) if field.as_number else column


def _owned(table: sa.Table, owner: sa.Column[Any], order: str = "serial") -> Ids:
    """Return the IDs of the rows of a table that refer to the given row as their owner."""
    mine = table.c[f"{owner.table.name}_id"] == owner
    return Ids(sa.select(table.c.id).where(mine).order_by(table.c[order]).correlate(owner.table))


_L, _P = tables.LISTENER, tables.POOL
# Each half of the union uses an index on the pool; one combined condition would read every policy for every listener.
_USING = sa.union(
    sa.select(_L.c.id, _L.c.serial).where(_L.c.default_pool_id == _P.c.id).correlate(_P),
    sa.select(_L.c.id, _L.c.serial)
    .select_from(sa.join(tables.L7POLICY, _L, tables.L7POLICY.c.listener_id == _L.c.id))
    .where(tables.L7POLICY.c.redirect_pool_id == _P.c.id, l7policy_rules.is_at_work())
    .correlate(_P),
).subquery()
RELATIONS: dict[str, dict[str, Expression]] = {
    LOADBALANCER.name: {
        "listeners": _owned(_L, tables.LOADBALANCER.c.id),
        "pools": _owned(_P, tables.LOADBALANCER.c.id),
    },
    LISTENER.name: {
        "loadbalancers": Id(_L.c.loadbalancer_id),
        "l7policies": _owned(tables.L7POLICY, _L.c.id, "position"),
    },
    POOL.name: {
        "loadbalancers": Id(_P.c.loadbalancer_id),
        "listeners": Ids(sa.select(_USING.c.id).order_by(_USING.c.serial)),
        "members": _owned(tables.MEMBER, _P.c.id),
    },
    HEALTHMONITOR.name: {"pools": Id(tables.HEALTHMONITOR.c.pool_id)},
    L7POLICY.name: {"rules": _owned(tables.L7RULE, tables.L7POLICY.c.id)},
}

# Attributes that are left out of the answer, rather than null, if they have no value.
OPTIONAL: dict[str, dict[str, Any]] = {
    POOL.name: {
        "healthmonitor_id": sa.select(tables.HEALTHMONITOR.c.id)
        .where(tables.HEALTHMONITOR.c.pool_id == _P.c.id)
        .correlate(_P)
        .scalar_subquery()
    }
}
