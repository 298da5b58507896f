"""Select the rows of a page, with one prepared statement for each shape of query, whatever its values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from ...resources import Resource, Type
from ...store import addresses, nonblocking
from ...store.prepared import Prepared, by, once
from ...store.tables import HEALTHMONITOR
from ..lists import keyset, tags
from . import bodies

MONITOR = "healthmonitor_id"  # an attribute of pools without a column
LISTS = (Type.STRINGS, Type.MAPPING, Type.OBJECTS)  # stored as JSON
NUMBER = re.compile(r"-?[0-9]{1,18}")  # other text equals no value of an integer column
SHAPES = 256  # size of the cache of statements, one for each shape
USUAL_KEYS, USUAL_VALUES = 3, 6  # limits for sort keys and filter values; statements above are not cached

Table = sa.Table | sa.Subquery
Order = tuple[tuple[str, bool], ...]  # (column, whether it is descending); the last column is unique


@dataclass(frozen=True)
class Filter:
    """One condition: a column, the kind of comparison, and the number of values it needs."""

    column: str
    kind: str  # is, true, false, nothing, holds, monitored (by that health monitor), or one of tags.FILTERS
    count: int


@dataclass(frozen=True)
class Shape:
    """Everything that a statement depends on, except the values."""

    filters: tuple[Filter, ...]
    scope: tuple[str, ...]  # columns that must have a given value
    order: Order
    # For each column of the order, whether the marker's row has a value there; None without a marker.
    marker: tuple[bool, ...] | None


def rows(
    tx: sa.Connection,
    resource: Resource,
    table: Table,
    filters: tuple[tuple[str, str], ...],
    scope: Mapping[str, Any],
    order: Order,
    marker: Any,
    limit: int,
    columns: tuple[sa.ColumnElement[Any], ...] = (),
) -> list[Any]:
    """Return the first rows after the marker's row (from the beginning if None) that match the filters and the scope.

    Rows have the given columns, or all columns if none are given. Statements are cached by the tuple of columns, so
    callers should pass the same tuple for the same columns.
    """
    if len(order) > 1 or tags.FILTERS & {name for name, _ in filters}:
        nonblocking.check_may_take_long()  # the database reads every row of the project
    found = [_filter(resource, table, name, value) for name, value in filters]
    behind = None if marker is None else [getattr(marker, name) for name, _ in order]
    shape = Shape(
        tuple(each for each, _ in found),
        tuple(scope),
        order,
        None if behind is None else tuple(value is not None for value in behind),
    )
    values: dict[str, Any] = {f"scope_{name}": value for name, value in scope.items()}
    for number, (_, given) in enumerate(found):
        values |= {f"filter_{number}_{place}": value for place, value in enumerate(given)}
    values |= {f"marker_{number}": value for number, value in enumerate(behind or ()) if value is not None}
    values["page_limit"] = limit
    if not _is_usual(shape):
        return once(tx, _composed(table, columns, shape), values)
    return _statement(table, columns, shape).all(tx, **values)


def row(tx: sa.Connection, table: Table, wanted: Sequence[tuple[str, Any]]) -> Any:
    """Return the first row whose columns have the wanted values; None if there is none."""
    values = dict(wanted)
    if any(values[name] != value for name, value in wanted):
        return None
    return by(table, *values).first(tx, **values)


def _is_usual(shape: Shape) -> bool:
    """Whether a shape is small and likely to be requested again: only such statements are cached."""
    return len(shape.order) <= USUAL_KEYS and sum(each.count for each in shape.filters) <= USUAL_VALUES


def _filter(resource: Resource, table: Table, name: str, value: str) -> tuple[Filter, list[Any]]:
    """Return the condition for one filter of the query, and its values."""
    if name in tags.FILTERS:
        wanted = value.split(",")
        return Filter("tags", name, len(wanted)), [tags.as_stored(tag) for tag in wanted]
    if name == MONITOR:
        return Filter("id", "monitored", 1), [value]
    kind = resource[name].type if name in resource else Type.STRING
    if kind is Type.BOOLEAN:
        return Filter(name, "true" if bodies.is_true(value) else "false", 0), []
    if kind is Type.INTEGER:
        return (Filter(name, "is", 1), [int(value)]) if NUMBER.fullmatch(value) else (Filter(name, "nothing", 0), [])
    if kind is Type.ADDRESS and f"{name}{addresses.SUFFIX}" in table.c:
        return Filter(f"{name}{addresses.SUFFIX}", "is", 1), [addresses.canonical(value)]
    if kind in LISTS:
        return Filter(name, "holds", 1), [tags.as_stored(value)]
    return Filter(name, "is", 1), [value]


@lru_cache(SHAPES)
def _statement(table: Table, columns: tuple[sa.ColumnElement[Any], ...], shape: Shape) -> Prepared:
    return Prepared(_composed(table, columns, shape))


def _composed(table: Table, columns: tuple[sa.ColumnElement[Any], ...], shape: Shape) -> sa.Select[Any]:
    conditions = [
        *(table.c[name] == sa.bindparam(f"scope_{name}", type_=table.c[name].type) for name in shape.scope),
        *(_condition(table, each, f"filter_{number}") for number, each in enumerate(shape.filters)),
    ]
    order = [(table.c[name], is_down) for name, is_down in shape.order]
    marker = None
    if shape.marker is not None:
        marker = [
            sa.bindparam(f"marker_{number}", type_=column.type) if has_value else None
            for number, ((column, _), has_value) in enumerate(zip(order, shape.marker, strict=True))
        ]
    found = sa.select(*(columns or (table,))).where(*conditions)
    return keyset.page(found, order, marker, sa.bindparam("page_limit", type_=sa.Integer()))


def _condition(table: Table, wanted: Filter, name: str) -> sa.ColumnElement[bool]:
    column = table.c[wanted.column]
    match wanted.kind:
        case "is":
            return column == sa.bindparam(f"{name}_0", type_=column.type)
        case "true" | "false":
            return column.is_(wanted.kind == "true")
        case "nothing":
            return sa.false()
        case "monitored":
            monitor = HEALTHMONITOR.c.id == sa.bindparam(f"{name}_0", type_=HEALTHMONITOR.c.id.type)
            return column.in_(sa.select(HEALTHMONITOR.c.pool_id).where(monitor))
    wanted_tags = [sa.bindparam(f"{name}_{place}", type_=sa.Text()) for place in range(wanted.count)]
    return tags.condition(column, wanted.kind, wanted_tags)
