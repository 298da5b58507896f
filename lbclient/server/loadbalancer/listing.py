"""Lists: parse filters, sort keys and paging from the query, select the rows, link the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa

from ...resources import Resource
from ...store.records import Record
from ..errors import BadRequest, InvalidPaging
from ..lists import bounds, keyset, tags
from ..web.routing import Answer, Request
from . import present, selection
from .selection import MONITOR, Table

PAGE_MAXIMUM = 1000
PAGING = {"limit", "marker", "page_reverse", "sort", "sort_key", "sort_dir", "fields"}

WORDING = keyset.Wording(
    wrong_key="Supplied sort key '{key}' is not valid.",
    wrong_direction="Supplied sort direction '{direction}' is not valid.",
)

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Page:
    """One page of a list, as parsed from the query."""

    limit: int
    marker: str | None
    is_reverse: bool
    order: tuple[tuple[str, str], ...]  # (column, asc or desc); the last column is unique
    fields: tuple[str, ...]  # attributes to return; () for all
    filters: tuple[tuple[str, str], ...] = field(default=())


def page(resource: Resource, table: Table, query: Pairs, unique: str = "serial") -> Page:
    """Parse the query; the column `unique` breaks ties between rows with equal sort keys. Raises BadRequest."""
    single = dict(query)
    return Page(
        limit=_limit(single.get("limit")),
        marker=single.get("marker"),
        is_reverse=single.get("page_reverse", "").lower() == "true",
        order=_order(resource, table, single, unique),
        fields=fields(query),
        filters=_filters(resource, table, query),
    )


def check(query: Pairs) -> None:
    """Check the paging parameters; Octavia does so for every GET, also of a single object. Raises BadRequest."""
    single = dict(query)
    _limit(single.get("limit"))
    _check_ways(_asked_order(single))


def fields(query: Pairs) -> tuple[str, ...]:
    """Return the attributes that the query selects; () for all."""
    return tuple(
        bounds.values("fields", (name for key, value in query if key == "fields" for name in value.split(",")))
    )


def answer(tx: sa.Connection, request: Request, resource: Resource, table: Table, unique: str = "serial") -> Answer:
    """Answer the list of a resource whose objects are plain rows, without any restriction to a project."""
    wanted = page(resource, table, request.query, unique)
    found = rows(tx, resource, table, wanted, {})
    objects = [present.plain(resource, row, wanted.fields) for row in found]
    key = resource.links or f"{resource.collection}_links"
    return Answer({resource.collection: objects, key: links(request, resource.path, wanted, found)})


def rows(
    tx: sa.Connection,
    resource: Resource,
    table: Table,
    wanted: Page,
    scope: Mapping[str, Any],
    columns: tuple[sa.ColumnElement[Any], ...] = (),
) -> list[Record]:
    """Return the rows of a page, with the given columns or all of them, restricted to the scope. Raises BadRequest."""
    marker = None
    if wanted.marker is not None:
        marker = selection.row(tx, table, ((resource.identifier, wanted.marker), *scope.items()))
        if marker is None:
            raise BadRequest(f"Supplied pagination marker '{wanted.marker}' is not valid.")
    order = tuple((name, (direction == "desc") != wanted.is_reverse) for name, direction in wanted.order)
    limit = bounds.rows(wanted.limit)
    found = selection.rows(tx, resource, table, wanted.filters, scope, order, marker, limit, columns)
    bounds.presented(found)
    return found[::-1] if wanted.is_reverse else found


def links(request: Request, path: str, wanted: Page, rows: Sequence[Any]) -> list[dict[str, str]]:
    """Return the links to the next and the previous page; as in Octavia, every full page has a next link.

    The first column of each row must be its key.
    """
    url, found = f"{request.base}{path}", []
    if rows and wanted.marker is not None:
        previous = keyset.link(url, request.query, marker=rows[0][0], page_reverse="True")
        found.append({"href": previous, "rel": "previous"})
    if rows and len(rows) == wanted.limit:
        found.append({"href": keyset.link(url, request.query, marker=rows[-1][0]), "rel": "next"})
    return found


def _limit(text: str | None) -> int:
    if text is None or text.lower() == "infinite":
        return PAGE_MAXIMUM
    try:
        limit = int(text) if len(text) < 20 else PAGE_MAXIMUM
    except ValueError:
        raise InvalidPaging(f"Supplied pagination limit '{text}' is not valid.") from None
    return min(limit, PAGE_MAXIMUM) if limit > 0 else PAGE_MAXIMUM


def _order(resource: Resource, table: Table, single: dict[str, str], unique: str) -> tuple[tuple[str, str], ...]:
    asked = _asked_order(single)
    _check_ways(asked)
    asked = [(_present_name(resource, key), way) for key, way in asked]
    keyset.check(asked, partial(_is_key, resource, table), WORDING)
    return (*asked, (unique, keyset.ASCENDING))


def _present_name(resource: Resource, key: str) -> str:
    """Map a former attribute name to the current one: load_balancer of a quota is loadbalancer."""
    return dict(resource.former_names).get(key, key)


def _check_ways(asked: Sequence[tuple[str, str]]) -> None:
    for _, way in asked:
        if way not in (keyset.ASCENDING, keyset.DESCENDING):
            raise InvalidPaging(WORDING.wrong_direction.format(direction=way))


def _asked_order(single: dict[str, str]) -> list[tuple[str, str]]:
    """Return (key, direction) pairs; sort=name:desc,weight equals sort_key=name,weight&sort_dir=desc,asc."""
    if single.get("sort"):
        pairs = [part.partition(":") for part in single["sort"].split(",")]
        return [(key, way.lower() if colon else "asc") for key, colon, way in pairs]
    keys = single["sort_key"].split(",") if single.get("sort_key") else []
    ways = single["sort_dir"].lower().split(",") if single.get("sort_dir") else []
    return list(zip_longest(keys, ways[: len(keys)], fillvalue="asc"))


def _filters(resource: Resource, table: Table, query: Pairs) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for key, value in _merged_tags(query):
        name = "project_id" if key == "tenant_id" else _present_name(resource, key)
        if name in PAGING:
            continue
        if name in tags.FILTERS and "tags" not in resource:
            continue  # as in Octavia, tag filters are ignored for resources without tags
        is_known = name in tags.FILTERS or _is_filter(resource, table, name)
        if not is_known or found.setdefault(name, value) != value:
            raise BadRequest("One or more arguments are either duplicate or invalid")
    return tuple(found.items())


def _merged_tags(query: Pairs) -> list[tuple[str, str]]:
    """Merge repeated tag filters: tags-any=a&tags-any=b becomes tags-any=a,b."""
    found: dict[str, list[str]] = {}
    for key, value in query:
        if key in tags.FILTERS:
            found.setdefault(key, []).append(value)
    return [pair for pair in query if pair[0] not in tags.FILTERS] + [
        (key, ",".join(bounds.tags(key, values))) for key, values in found.items()
    ]


def _is_filter(resource: Resource, table: Table, name: str) -> bool:
    return _has_column(resource, table, name) or (name == MONITOR and name in resource)


def _is_key(resource: Resource, table: Table, name: str) -> bool:
    return _has_column(resource, table, name) and not isinstance(table.c[name].type, sa.types.TypeDecorator)


def _has_column(resource: Resource, table: Table, name: str) -> bool:
    """Whether rows can be filtered and sorted by a name: an attribute, the parent's ID, or the project's ID."""
    return (name in resource or name in (f"{resource.parent}_id", "project_id")) and name in table.c
