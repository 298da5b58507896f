"""Role assignments: the roles that users have in projects, in domains and in the system."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...store.identity_tables import ASSIGNMENT, DOMAIN, PROJECT, ROLE, USER
from ...strings import is_storable
from .. import errors
from ..attributes import Values
from ..services import Services
from ..web.routing import Answer, Handler, Request
from . import lookup, objects, roles
from .attributes import DOMAINS, PROJECTS, ROLES, USERS

SYSTEM = "all"  # the scope_id of the system
PLACES = {"project": PROJECTS, "domain": DOMAINS}


def list_in(scope: str) -> Handler:
    """Return the handler that lists the roles of a user in a project, a domain or the system."""

    def handle(services: Services, request: Request, user_id: str, scope_id: str = SYSTEM) -> Answer:
        objects.admin_only(request, "list_grants")
        with services.store.reading() as tx:
            _find_ends(tx, scope, scope_id, user_id)
            found = lookup.roles(tx, user_id, scope, scope_id)
            return objects.collection(request, "roles", [roles.present(request, row) for row in found])

    return handle


def check(scope: str) -> Handler:
    """Return the handler that checks whether a user has a role in a scope: 204 or 404."""

    def handle(services: Services, request: Request, user_id: str, role_id: str, scope_id: str = SYSTEM) -> Answer:
        objects.admin_only(request, "check_grant")
        with services.store.reading() as tx:
            _find_ends(tx, scope, scope_id, user_id, role_id)
            if not _exists(tx, scope, scope_id, user_id, role_id):
                raise _no_such_grant(user_id, scope, scope_id, role_id)
        return Answer(status=204)

    return handle


def grant(scope: str) -> Handler:
    """Return the handler that grants a user a role in a scope."""

    def handle(services: Services, request: Request, user_id: str, role_id: str, scope_id: str = SYSTEM) -> Answer:
        objects.admin_only(request, "create_grant")
        with services.tokens.changing() as tx:
            _find_ends(tx, scope, scope_id, user_id, role_id)
            give(tx, user_id, scope, scope_id, role_id)
        return Answer(status=204)

    return handle


def withdraw(scope: str) -> Handler:
    """Return the handler that withdraws a role from a user; existing tokens lose it at once."""

    def handle(services: Services, request: Request, user_id: str, role_id: str, scope_id: str = SYSTEM) -> Answer:
        objects.admin_only(request, "revoke_grant")
        with services.tokens.changing() as tx:
            _find_ends(tx, scope, scope_id, user_id, role_id)
            if tx.execute(sa.delete(ASSIGNMENT).where(_is(scope, scope_id, user_id, role_id))).rowcount == 0:
                raise _no_such_grant(user_id, scope, scope_id, role_id)
        return Answer(status=204)

    return handle


def give(tx: sa.Connection, user_id: str, scope: str, scope_id: str, role_id: str) -> None:
    """Grant a role, unless the user already has it."""
    if not _exists(tx, scope, scope_id, user_id, role_id):
        row = {"user_id": user_id, "scope": scope, "scope_id": scope_id, "role_id": role_id}
        tx.execute(sa.insert(ASSIGNMENT).values(row))


def _is(scope: str, scope_id: str, user_id: str, role_id: str) -> sa.ColumnElement[bool]:
    place = (ASSIGNMENT.c.scope == scope) & (ASSIGNMENT.c.scope_id == scope_id)
    return place & (ASSIGNMENT.c.user_id == user_id) & (ASSIGNMENT.c.role_id == role_id)


def _exists(tx: sa.Connection, scope: str, scope_id: str, user_id: str, role_id: str) -> bool:
    found = sa.select(ASSIGNMENT.c.user_id).where(_is(scope, scope_id, user_id, role_id))
    return tx.execute(found).first() is not None


def _find_ends(tx: sa.Connection, scope: str, scope_id: str, user_id: str, role_id: str | None = None) -> None:
    objects.find(tx, USERS, user_id)
    if scope in PLACES:
        objects.find(tx, PLACES[scope], scope_id)
    if role_id is not None:
        objects.find(tx, ROLES, role_id)


def _no_such_grant(user_id: str, scope: str, scope_id: str, role_id: str) -> errors.NotFound:
    where = "system" if scope == "system" else f"{scope} {scope_id}"
    return errors.NotFound(f"Could not find role assignment with role: {role_id}, user: {user_id}, {where}.")


FILTERS = {"user.id": "user_id", "role.id": "role_id"}
SCOPES = {"scope.project.id": "project", "scope.domain.id": "domain"}


def list_all(services: Services, request: Request) -> Answer:
    """List the assignments that match the query; include_names adds names to IDs."""
    query = {name: value for name, value in request.query if is_storable(value)}
    asks_for_self = query.get("user.id") == request.who.user_id
    if not asks_for_self:
        objects.admin_only(request, "list_role_assignments")
    has_names = "include_names" in query and query["include_names"].lower() not in objects.FALSE
    with services.store.reading() as tx:
        found = tx.execute(_selected(query)).all()
        present = [_present(request, row, has_names) for row in found]
    return objects.collection(request, "role_assignments", present)


def _selected(query: dict[str, str]) -> sa.Select[Any]:
    place, place_domain, user_domain = DOMAIN.alias("place"), DOMAIN.alias("pd"), DOMAIN.alias("ud")
    wanted = [ASSIGNMENT.c[column] == query[name] for name, column in FILTERS.items() if name in query]
    for name, scope in SCOPES.items():
        if name in query:
            wanted += [ASSIGNMENT.c.scope == scope, ASSIGNMENT.c.scope_id == query[name]]
    if "scope.system" in query:
        wanted.append(ASSIGNMENT.c.scope == "system")
    if "group.id" in query:
        wanted.append(sa.false())  # there are no groups
    return (
        sa.select(
            ASSIGNMENT,
            USER.c.name.label("user_name"),
            user_domain.c.id.label("user_domain_id"),
            user_domain.c.name.label("user_domain_name"),
            ROLE.c.name.label("role_name"),
            PROJECT.c.name.label("project_name"),
            place_domain.c.id.label("project_domain_id"),
            place_domain.c.name.label("project_domain_name"),
            place.c.name.label("domain_name"),
        )
        .join(USER, USER.c.id == ASSIGNMENT.c.user_id)
        .join(user_domain, user_domain.c.id == USER.c.domain_id)
        .join(ROLE, ROLE.c.id == ASSIGNMENT.c.role_id)
        .outerjoin(PROJECT, (ASSIGNMENT.c.scope == "project") & (PROJECT.c.id == ASSIGNMENT.c.scope_id))
        .outerjoin(place_domain, place_domain.c.id == PROJECT.c.domain_id)
        .outerjoin(place, (ASSIGNMENT.c.scope == "domain") & (place.c.id == ASSIGNMENT.c.scope_id))
        .where(*wanted)
        .order_by(USER.c.name, ASSIGNMENT.c.scope, ASSIGNMENT.c.scope_id, ROLE.c.name)
    )


def _present(request: Request, row: Any, has_names: bool) -> Values:
    user, role = {"id": row.user_id}, {"id": row.role_id}
    scope: Values = {"system": {"all": True}} if row.scope == "system" else {row.scope: {"id": row.scope_id}}
    if has_names:
        role |= {"name": row.role_name}
        user |= _named(row.user_name, row.user_domain_id, row.user_domain_name)
        if row.scope == "project":
            scope["project"] |= _named(row.project_name, row.project_domain_id, row.project_domain_name)
        if row.scope == "domain":
            scope["domain"] |= {"name": row.domain_name}
    place = "system" if row.scope == "system" else f"{row.scope}s/{row.scope_id}"
    link = f"{request.base}/v3/{place}/users/{row.user_id}/roles/{row.role_id}"
    return {"role": role, "user": user, "scope": scope, "links": {"assignment": link}}


def _named(name: str, domain_id: str, domain_name: str) -> Values:
    return {"name": name, "domain": {"id": domain_id, "name": domain_name}}
