"""Lists of the network API: parse filters, fields, sort keys and paging from the query, and select the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from ...store import nonblocking, prepared
from ...store.addresses import canonical
from ...store.network_tables import FIXED_IP, FLOATING_IP, PORT
from ...strings import is_storable
from .. import errors
from ..access.context import Context
from ..attributes import Attribute, Kind, Type
from ..lists import bounds, keyset, tags
from ..web.routing import Answer, Request
from . import rows
from .bodies import Values, bad

PAGING = {"limit", "marker", "sort_key", "sort_dir", "fields"}
SOON = {"id", "name", "limit", "fields"}  # lists with only these parameters are quick
MOST = 10_000  # rows per page
WORDING = keyset.Wording(
    wrong_key="[{key}] is invalid attribute for sort_keys",
    wrong_direction="{direction} is invalid value for sort_dirs, valid values are 'asc' and 'desc'",
    error=bad,
)
Presenter = Callable[[sa.Connection, Sequence[Any]], list[Values]]


def listed(tx: sa.Connection, kind: Kind, request: Request, present: Presenter) -> Answer:
    """Answer the objects that the project may see and that match the query. Raises errors.BadRequest."""
    query = _query(request)
    if not {name for name, _ in query} <= SOON:
        nonblocking.check_may_take_long()  # the database reads every row of the project
    limit = _limit(query)
    order = _order(kind, query)
    found = sa.select(kind.table).where(rows.is_visible(kind.table, request.who), *_filters(kind, query))
    found = keyset.page(found, order, _marker(tx, kind, query, order, request.who), bounds.rows(limit + 1))
    page = tx.execute(found).all() if bounds.is_usual(query) else prepared.once(tx, found)
    bounds.presented(page)
    objects = present(tx, page[:limit])
    body: Values = {kind.plural: [selected(request, each) for each in objects]}
    if len(page) > limit:
        url = f"{request.http.prefix}{request.http.path}"
        further = keyset.link(url, request.query, marker=page[limit - 1].id)
        body[f"{kind.plural}_links"] = [{"rel": "next", "href": further}]
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


def _order(kind: Kind, query: list[tuple[str, str]]) -> keyset.Order:
    """Return the columns to sort by; the last ones make the order unique."""
    keys = [_renamed(value) for name, value in query if name == "sort_key"]
    directions = [value for name, value in query if name == "sort_dir"]
    if len(directions) != len(keys) and directions:
        bounds.order(keys)
        raise bad("The number of sort_keys and sort_dirs must be same")
    asked = list(zip(keys, directions or [keyset.ASCENDING] * len(keys), strict=True))
    columns = {each.name: kind.table.c[each.column_name] for each in kind.attributes if each.column_name}
    keyset.check(asked, columns.__contains__, WORDING)
    order = [(columns[key], direction == keyset.DESCENDING) for key, direction in asked]
    return [*order, (kind.table.c.serial, False), (kind.table.c.id, False)]


def _marker(
    tx: sa.Connection, kind: Kind, query: list[tuple[str, str]], order: keyset.Order, who: Context
) -> list[keyset.Column | None] | None:
    """Return the values of the marker's row in the order. Raises NotFound if the project may not see that row."""
    marker = next((value for name, value in query if name == "marker"), None)
    if marker is None:
        return None
    row = rows.find(tx, kind.table, marker, who)
    if row is None:
        raise errors.NotFound(f"{kind.title} {marker} could not be found.", kind=kind.not_found)
    values = [(row._mapping[column], column.type) for column, _ in order]
    return [None if value is None else sa.literal(value, type_) for value, type_ in values]


def _filters(kind: Kind, query: list[tuple[str, str]]) -> list[sa.ColumnElement[bool]]:
    wanted: dict[str, list[str]] = {}
    for name, value in query:
        if name not in PAGING:
            wanted.setdefault(name, []).append(value)
    unknown = sorted(name for name in wanted if name not in tags.FILTERS and kind[name] is None)
    if unknown:
        raise bad(f"{unknown} is invalid attribute for filtering")
    return [_filter(kind, name, bounds.values(name, values)) for name, values in wanted.items()]


def _filter(kind: Kind, name: str, values: list[str]) -> sa.ColumnElement[bool]:
    attribute = kind[name]
    if attribute is None:
        wanted = [tags.as_stored(tag) for tag in bounds.tags(name, values)]
        return tags.condition(kind.table.c.tags, name, wanted)
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
            raise bad(f"Invalid input for operation: '{value}' is not a filter for fixed_ips.")
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
