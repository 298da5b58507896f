"""Create a project with a user, roles and a token for each test, in a few milliseconds."""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa

from ...store import network_tables
from ...store.identity_tables import APPLICATION_CREDENTIAL, ASSIGNMENT, PROJECT, ROLE, USER
from ...store.tables import LOADBALANCER, metadata
from .. import errors
from ..identity import assignments, objects, passwords
from ..identity.bootstrap import DEFAULT_DOMAIN
from ..services import Services
from ..web.routing import Request
from . import bodies

Values = dict[str, Any]

USUAL_ROLES = ("member",)


def create(services: Services, request: Request, given: Values) -> Values:
    """Create a project with a user of the same name and a token; return all of them. Raises BadRequest and Conflict."""
    if services.keystone is not None:
        raise errors.Conflict("Projects are another Keystone's here: make one there.")
    name, roles = given.get("name"), given.get("roles", list(USUAL_ROLES))
    if name is not None and (not isinstance(name, str) or not 0 < len(name) <= 64 or "\0" in name):
        raise bodies.invalid("name", name, "Value should be a text of 1 to 64 characters without NUL")
    if not isinstance(roles, list) or not roles or not all(isinstance(role, str) for role in roles):
        raise bodies.invalid("roles", roles, "Value should be a list of at least one role name")
    name = name or f"test-{secrets.token_hex(4)}"
    # A random password of 256 bits needs no slow hash, which would take most of the time.
    password = secrets.token_urlsafe(32)
    project_id, user_id = objects.new_id(), objects.new_id()
    place = {"name": name, "domain_id": DEFAULT_DOMAIN}
    user = {**place, "id": user_id, "default_project_id": project_id, "password": passwords.quick_hash(password)}
    # No existing token is affected, so the token cache stays valid.
    with services.store.writing(is_durable=False) as tx:
        for table in (PROJECT, USER):
            if tx.scalar(sa.select(table.c.id).where(table.c.name == name, table.c.domain_id == DEFAULT_DOMAIN)):
                raise errors.Conflict(f"name: there is a {table.name.removeprefix('identity_')} {name} already.")
        tx.execute(sa.insert(PROJECT).values(**place, id=project_id, parent_id=DEFAULT_DOMAIN))
        tx.execute(sa.insert(USER).values(user))
        for role_id in _role_ids(tx, roles):
            assignments.give(tx, user_id, "project", project_id, role_id)
    token, holder = services.tokens.issue(user_id, "project", project_id, ("password",))
    return {
        "id": project_id,
        "name": name,
        "user_id": user_id,
        "username": name,
        "password": password,
        "token": token,
        "expires_at": holder.claims.expires_at,
        "auth_url": f"{request.base.removesuffix('/testing/v1')}/identity",
        "user_domain_id": DEFAULT_DOMAIN,
        "project_domain_id": DEFAULT_DOMAIN,
    }


def check(services: Services, project_id: str | None) -> None:
    """Raise InvalidInput if there is no such project.

    With another Keystone, or without logins, projects are not known here, and any ID is accepted.
    """
    if project_id is None or services.keystone is not None or services.config.auth == "noauth":
        return
    with services.store.reading() as tx:
        if tx.scalar(sa.select(PROJECT.c.id).where(PROJECT.c.id == project_id)) is not None:
            return
        named = list(tx.scalars(sa.select(PROJECT.c.id).where(PROJECT.c.name == project_id)))
    more = f": {named[0]} is called so" if len(named) == 1 else ""
    raise bodies.invalid("project", project_id, f"Value should be the ID of a project that exists{more}")


def delete(services: Services, project_id: str) -> None:
    """Delete a project with its user and its load balancers, whatever their status. Raises NotFound."""
    with services.store.writing(is_durable=False) as tx:
        if tx.scalar(sa.select(PROJECT.c.id).where(PROJECT.c.id == project_id)) is None:
            raise errors.NotFound.named("Project", project_id)
        users = list(tx.scalars(sa.select(USER.c.id).where(USER.c.default_project_id == project_id)))
        ids = list(tx.scalars(sa.select(LOADBALANCER.c.id).where(LOADBALANCER.c.project_id == project_id)))
        for id_ in ids:
            _remove(tx, id_)
        for table in (ASSIGNMENT, APPLICATION_CREDENTIAL):
            tx.execute(sa.delete(table).where(table.c.user_id.in_(users)))
        tx.execute(sa.delete(ASSIGNMENT).where(ASSIGNMENT.c.scope_id == project_id))
        tx.execute(sa.delete(USER).where(USER.c.id.in_(users)))
        tx.execute(sa.delete(PROJECT).where(PROJECT.c.id == project_id))
    services.tokens.forget()
    if services.testing is not None:
        services.testing.paces.forget(ids)
    for id_ in ids:
        services.dataplane.wake(id_, project_id)


def _remove(tx: sa.Connection, loadbalancer_id: str) -> None:
    """Delete a load balancer with all of its parts and its addresses."""
    for table in reversed(metadata.sorted_tables):
        if "loadbalancer_id" in table.c:
            tx.execute(sa.delete(table).where(table.c.loadbalancer_id == loadbalancer_id))
    network_tables.release(tx, loadbalancer_id)
    tx.execute(sa.delete(LOADBALANCER).where(LOADBALANCER.c.id == loadbalancer_id))


def _role_ids(tx: sa.Connection, names: list[str]) -> list[str]:
    """Return the IDs of roles given by name. Raises InvalidInput."""
    known = {row.name: row.id for row in tx.execute(sa.select(ROLE.c.name, ROLE.c.id))}
    for name in names:
        if name not in known:
            raise bodies.invalid("roles", name, f"Value should be one of: {', '.join(sorted(known))}")
    return [known[name] for name in dict.fromkeys(names)]
