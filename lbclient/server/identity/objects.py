"""Operations common to domains, projects, users and roles: find, list, add and change objects, and access checks."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ...strings import is_storable
from .. import errors
from ..attributes import Kind, Values
from ..web.routing import Answer, Request

FALSE = {"false", "0", "no", "off", "n", "f"}
INEXACT = "__"  # name__contains=x
COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "contains": str.__contains__,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "icontains": lambda text, part: part.casefold() in text.casefold(),
    "istartswith": lambda text, part: text.casefold().startswith(part.casefold()),
    "iendswith": lambda text, part: text.casefold().endswith(part.casefold()),
}
Presenter = Callable[[Request, Any], Values]


def admin_only(request: Request, action: str) -> None:
    """Check that the caller is an admin. Raises errors.Forbidden."""
    if not request.who.is_admin:
        raise errors.Forbidden(f"You are not authorized to perform the requested action: identity:{action}.")


def new_id() -> str:
    return uuid.uuid4().hex


def find(tx: sa.Connection, kind: Kind, id_: str) -> Any:
    """Return the row with this ID. Raises errors.NotFound."""
    row = tx.execute(sa.select(kind.table).where(kind.table.c.id == id_)).one_or_none() if is_storable(id_) else None
    if row is None:
        raise errors.NotFound(f"Could not find {kind.name}: {id_}.")
    return row


def listed(
    tx: sa.Connection, kind: Kind, request: Request, present: Presenter, *conditions: sa.ColumnElement[bool]
) -> Answer:
    """Answer with the rows that match the query, in the order of their names."""
    given = {name: value for name, value in request.query if name in kind.filters}
    if not all(is_storable(value) for value in given.values()):
        return collection(request, kind.plural, [])
    wanted = [_filter(kind.table.c[name], value) for name, value in given.items()]
    found = tx.execute(sa.select(kind.table).where(*wanted, *conditions).order_by(kind.table.c.name))
    return collection(request, kind.plural, [present(request, row) for row in found if _is_like(kind, request, row)])


def _is_like(kind: Kind, request: Request, row: Any) -> bool:
    """Whether a row matches the inexact filters of the query. Done here, because databases differ in LIKE."""
    for filter_, part in request.query:
        name, _, comparison = filter_.partition(INEXACT)
        text = getattr(row, name) if name in kind.filters and comparison in COMPARISONS else None
        if isinstance(text, str) and not COMPARISONS[comparison](text, part):
            return False
    return True


def _filter(column: sa.Column[Any], value: str) -> sa.ColumnElement[bool]:
    if isinstance(column.type, sa.Boolean):
        return column == (value.lower() not in FALSE)
    return column == value


def collection(request: Request, name: str, found: list[Values]) -> Answer:
    """Answer with a list in the format of the identity API."""
    links = {"next": None, "previous": None, "self": request.http.uri}
    return Answer({name: found, "links": links})


def link(request: Request, kind: Kind, id_: str) -> dict[str, str]:
    return {"self": f"{request.base}/v3/{kind.plural}/{id_}"}


def add(tx: sa.Connection, kind: Kind, values: Values) -> Any:
    """Insert a row and return it. Raises errors.Conflict if the name is taken."""
    row = {"id": new_id(), **values}
    with _unique(tx, kind, row):
        tx.execute(sa.insert(kind.table).values(row))
    return find(tx, kind, row["id"])


def change(tx: sa.Connection, kind: Kind, id_: str, values: Values) -> Any:
    """Update a row and return it. Raises errors.NotFound or errors.Conflict."""
    before = find(tx, kind, id_)
    if values:
        with _unique(tx, kind, {**before._mapping, **values}):
            tx.execute(sa.update(kind.table).where(kind.table.c.id == id_).values(values))
    return find(tx, kind, id_)


class _unique:
    """A context manager that turns the database's IntegrityError for a duplicate name into errors.Conflict."""

    def __init__(self, tx: sa.Connection, kind: Kind, row: Values) -> None:
        self._savepoint = tx.begin_nested()
        where = f" at domain ID {row['domain_id']}" if "domain_id" in row else ""
        self._why = (
            f"Conflict occurred attempting to store {kind.name} - Duplicate entry found with name {row['name']}{where}."
        )

    def __enter__(self) -> None:
        self._savepoint.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._savepoint.__exit__(kind, error, trace)
        if isinstance(error, IntegrityError):
            raise errors.Conflict(self._why) from None
