"""Pagination of lists: offset and limit, and links to the next and the previous page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from ...store import prepared
from ..lists import bounds
from ..web.routing import Request

USUAL, MOST = 10, 100  # objects per page: the default and the maximum
FURTHEST = 2**31 - 1


@dataclass(frozen=True)
class Page:
    """One page of a list."""

    rows: list[Any]
    offset: int
    limit: int
    total: int


def of(tx: sa.Connection, request: Request, found: sa.Select[Any]) -> Page:
    """Return the page that the query asks for. Invalid numbers are replaced by the defaults, as in Barbican."""
    query = dict(request.query)
    offset = min(max(_number(query.get("offset"), 0), 0), FURTHEST)
    limit = min(max(_number(query.get("limit"), USUAL), 1), MOST)
    count = sa.select(sa.func.count()).select_from(found.order_by(None).subquery())
    page = found.offset(offset).limit(limit)
    if len(request.http.query_string) > bounds.USUAL:
        return Page(prepared.once(tx, page), offset, limit, prepared.once(tx, count)[0][0])
    return Page(list(tx.execute(page)), offset, limit, tx.scalar(count) or 0)


def answer(request: Request, path: str, name: str, page: Page, objects: list[Any]) -> dict[str, Any]:
    """Return the body of a list with its links; `path` is the path of the collection below the version."""
    body: dict[str, Any] = {name: objects, "total": page.total}
    if page.offset > 0:
        body["previous"] = _link(request, path, max(0, page.offset - page.limit), page.limit)
    if page.total > page.offset + page.limit:
        body["next"] = _link(request, path, page.offset + page.limit, page.limit)
    return body


def _link(request: Request, path: str, offset: int, limit: int) -> str:
    kept = [(name, value) for name, value in request.query if name not in ("offset", "limit")]
    query = urlencode([("limit", limit), ("offset", offset), *kept], errors="replace")
    return f"{request.base}/v1/{path}?{query}"


def _number(text: str | None, usual: int) -> int:
    try:
        return int(text) if text is not None else usual
    except ValueError:
        return usual
