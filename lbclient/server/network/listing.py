"""Lists of the network API: parse filters, fields, sort keys and paging from the query, and select the rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from ...store import nonblocking, prepared
from ...store.addresses import canonical
from ...store.network_tables import FIXED_IP, FLOATING_IP, PORT
from ...strings import is_storable
from .. import bounds, errors
from ..access.context import Context
from ..attributes import Attribute, Kind, Type
from ..web.routing import Answer, Request
from . import rows
from .bodies import Values, bad

PAGING = {"limit", "marker", "sort_key", "sort_dir", "fields"}
TAGS = {"tags", "tags-any", "not-tags", "not-tags-any"}
SOON = {"id", "name", "limit", "fields"}  # lists with only these parameters are quick
MOST = 10_000  # rows per page
Presenter = Callable[[sa.Connection, Sequence[Any]], list[Values]]


def listed(tx: sa.Connection, kind: Kind, request: Request, present: Presenter) -> Answer:
    """Answer the objects that the project may see and that match the query. Raises errors.BadRequest."""
    query = _query(request)
    if not {name for name, _ in query} <= SOON:
        nonblocking.check_may_take_long()  # the database reads every row of the project
    limit = _limit(query)
    order = _order(kind, query)
    found = sa.select(kind.table).where(rows.is_visible(kind.table, request.who), *_filters(kind, query))
    marker = next((value for name, value in query if name == "marker"), None)
    if marker is not None:
        found = found.where(_behind(tx, kind, marker, order, request.who))
    found = found.order_by(*(_sorted(*each) for each in order)).limit(bounds.rows(limit + 1))
    page = tx.execute(found).all() if bounds.is_usual(query) else prepared.once(tx, found)
    bounds.presented(page)
    objects = present(tx, page[:limit])
    body: Values = {kind.plural: [selected(request, each) for each in objects]}
    if len(page) > limit:
        body[f"{kind.plural}_links"] = [{"rel": "next", "href": _next(request, page[limit - 1].id)}]
    return Answer(body)


def selected(request: Request, object_: Values) -> Values:
    """Return the fields of an object that the query selects; all of them if it selects none."""
    wanted = {value for name, value in request.query if name == "fields"}
    return {name: value for name, value in object_.items() if name in wanted} if wanted else object_


def _query(request: Request) -> list[tuple[str, str]]:
    if not all(is_storable(name + value) for name, value in request.query):
        raise bad("Invalid input for operation: the query has a NUL character.")
    return [(_renamed(name), value) for name, value in request.query]


def _renamed(name: str) -> str:
    return "project_id" if name == "tenant_id" else name


def _limit(query: list[tuple[str, str]]) -> int:
    text = next((value for name, value in query if name == "limit"), "0")
    if not text.isascii() or not text.isdigit():
        raise bad(f"Invalid input for operation: 'limit' {text!r} is not a number of 0 or more.")
    return min(int(text[:9]), MOST) or MOST


def _order(kind: Kind, query: list[tuple[str, str]]) -> list[tuple[sa.Column[Any], bool]]:
    """Return pairs of a column and whether it is descending; the last columns make the order unique."""
    keys = [_renamed(value) for name, value in query if name == "sort_key"]
    bounds.order(keys)
    directions = [value for name, value in query if name == "sort_dir"]
    if len(directions) != len(keys) and directions:
        raise bad("The number of sort_keys and sort_dirs must be same")
    order = []
    for key, direction in zip(keys, directions or ["asc"] * len(keys), strict=True):
        attribute = kind[key]
        if attribute is None or attribute.column_name is None:
            raise bad(f"[{key}] is invalid attribute for sort_keys")
        if direction not in ("asc", "desc"):
            raise bad(f"{direction} is invalid value for sort_dirs, valid values are 'asc' and 'desc'")
        order.append((kind.table.c[attribute.column_name], direction == "desc"))
    return [*order, (kind.table.c.serial, False), (kind.table.c.id, False)]


def _sorted(column: sa.Column[Any], is_descending: bool) -> sa.ColumnElement[Any]:
    value = _sortable(column)
    return value.desc() if is_descending else value.asc()


def _sortable(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return the column as an expression that all databases sort alike: null as "", booleans as numbers."""
    if isinstance(column.type, sa.Boolean):
        return sa.cast(column, sa.Integer)
    return sa.func.coalesce(column, "") if column.nullable else column


def _behind(
    tx: sa.Connection, kind: Kind, marker: str, order: list[tuple[sa.Column[Any], bool]], who: Context
) -> sa.ColumnElement[bool]:
    """The condition that a row comes after the marker's. Raises NotFound if the project may not see the marker."""
    row = rows.find(tx, kind.table, marker, who)
    if row is None:
        raise errors.NotFound(f"{kind.title} {marker} could not be found.", kind=kind.not_found)
    clauses = []
    equal: list[sa.ColumnElement[bool]] = []
    for column, is_descending in order:  # one flat OR: SQLite limits nesting
        value, known = _sortable(column), row._mapping[column.name]
        known = "" if known is None else int(known) if isinstance(known, bool) else known
        clauses.append(sa.and_(*equal, value < known if is_descending else value > known))
        equal.append(value == known)
    return sa.or_(*clauses)


def _next(request: Request, marker: str) -> str:
    kept = [(name, value) for name, value in request.query if name != "marker"]
    return f"{request.http.prefix}{request.http.path}?{urlencode([*kept, ('marker', marker)])}"


def _filters(kind: Kind, query: list[tuple[str, str]]) -> list[sa.ColumnElement[bool]]:
    wanted: dict[str, list[str]] = {}
    for name, value in query:
        if name not in PAGING:
            wanted.setdefault(name, []).append(value)
    unknown = sorted(name for name in wanted if name not in TAGS and kind[name] is None)
    if unknown:
        raise bad(f"{unknown} is invalid attribute for filtering")
    return [_filter(kind, name, bounds.values(name, values)) for name, values in wanted.items()]


def _filter(kind: Kind, name: str, values: list[str]) -> sa.ColumnElement[bool]:
    attribute = kind[name]
    if attribute is None:
        return _tagged(kind.table.c.tags, name, values)
    if (kind.name, name) in COMPUTED:
        return COMPUTED[kind.name, name](values)
    if attribute.column_name is None:
        is_so = str(attribute.constant or "").lower() in [value.lower() for value in values]
        return sa.true() if is_so else sa.false()
    column = kind.table.c[attribute.column_name]
    chosen = column.in_([known for value in values for known in _converted(attribute, value)])
    return chosen | column.is_(None) if attribute.is_nullable and "" in values else chosen


def _converted(attribute: Attribute, value: str) -> list[Any]:
    if attribute.type is Type.BOOLEAN:
        return [value.lower() in ("true", "1")]
    if attribute.type is Type.INTEGER:
        return [int(value)] if value.isascii() and value.isdigit() and len(value) < 10 else []
    return [canonical(value)] if attribute.type in (Type.ADDRESS, Type.CIDR) else [value]


def _fixed_ips(values: list[str]) -> sa.ColumnElement[bool]:
    """The condition for fixed_ips=ip_address=10.0.0.1 or fixed_ips=subnet_id=…: ports with such an address."""
    conditions: dict[str, list[str]] = {}
    for value in values:
        name, _, wanted = value.partition("=")
        if name not in ("ip_address", "subnet_id", "ip_address_substr"):
            raise bad(f"Invalid input for operation: '{value}' is no filter for fixed_ips.")
        conditions.setdefault(name, []).append(canonical(wanted) if name == "ip_address" else wanted)
    columns = {"ip_address": FIXED_IP.c.ip_address, "subnet_id": FIXED_IP.c.subnet_id}
    held: list[sa.ColumnElement[bool]] = [
        columns[name].in_(wanted) for name, wanted in conditions.items() if name in columns
    ]
    held += [FIXED_IP.c.ip_address.contains(text, autoescape=True) for text in conditions.get("ip_address_substr", [])]
    return PORT.c.id.in_(sa.select(FIXED_IP.c.port_id).where(*held))


def _is_active(column: sa.Column[Any]) -> Callable[[list[str]], sa.ColumnElement[bool]]:
    """Return a filter by a status that is ACTIVE if the column names a user of the row, and DOWN otherwise."""
    is_used = column.is_not(None) & (column != "")
    conditions = {"ACTIVE": is_used, "DOWN": ~is_used}
    return lambda values: sa.or_(sa.false(), *(conditions.get(value.upper(), sa.false()) for value in values))


COMPUTED: dict[tuple[str, str], Callable[[list[str]], sa.ColumnElement[bool]]] = {
    ("port", "fixed_ips"): _fixed_ips,
    ("port", "status"): _is_active(PORT.c.device_id),
    ("floatingip", "status"): _is_active(FLOATING_IP.c.port_id),
}


def _tagged(tags: sa.Column[Any], name: str, values: list[str]) -> sa.ColumnElement[bool]:
    text = sa.cast(tags, sa.Text)
    wanted = [json.dumps(tag, ensure_ascii=False) for tag in bounds.tags(name, values)]
    each = [text.contains(tag, autoescape=True) for tag in wanted]
    found = sa.or_(*each) if name.endswith("any") else sa.and_(*each)
    return ~found if name.startswith("not") else found
