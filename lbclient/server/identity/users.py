"""Users: create, read, update and delete requests, and users changing their own passwords."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...store.identity_tables import APPLICATION_CREDENTIAL, ASSIGNMENT, USER
from .. import errors
from ..attributes import Values
from ..services import Services
from ..web.routing import Answer, Request
from . import attributes, objects, passwords
from .attributes import DOMAINS, USERS
from .lookup import unauthorized
from .tokens import revoke


def present(request: Request, row: Any) -> Values:
    optional = {name: getattr(row, name) for name in ("description", "email", "default_project_id")}
    return {
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "enabled": row.enabled,
        "password_expires_at": None,
        "options": {},
        **{name: value for name, value in optional.items() if value is not None},
        "links": objects.link(request, USERS, row.id),
    }


def list_all(services: Services, request: Request) -> Answer:
    objects.admin_only(request, "list_users")
    with services.store.reading() as tx:
        return objects.listed(tx, USERS, request, present)


def show(services: Services, request: Request, user_id: str) -> Answer:
    if request.who.user_id != user_id:
        objects.admin_only(request, "get_user")
    with services.store.reading() as tx:
        return Answer({"user": present(request, objects.find(tx, USERS, user_id))})


def create(services: Services, request: Request) -> Answer:
    objects.admin_only(request, "create_user")
    values = _hashed(attributes.values(USERS, request.body, is_new=True))
    values["domain_id"] = values.get("domain_id") or request.who.domain_id
    with services.tokens.changing() as tx:
        objects.find(tx, DOMAINS, values["domain_id"])
        return Answer({"user": present(request, objects.add(tx, USERS, values))}, 201)


def update(services: Services, request: Request, user_id: str) -> Answer:
    objects.admin_only(request, "update_user")
    values = _hashed(attributes.values(USERS, request.body, is_new=False))
    with services.tokens.changing() as tx:
        row = objects.change(tx, USERS, user_id, values)
        if values.get("enabled") is False or "password" in values:
            revoke(tx, "user", user_id)
        return Answer({"user": present(request, row)})


def _hashed(values: Values) -> Values:
    if values.get("password") is None:
        return values
    return {**values, "password": passwords.make_hash(values["password"])}


def change_password(services: Services, request: Request, user_id: str) -> Answer:
    """Change a user's password, given the old one; no token is needed. The user's existing tokens are revoked."""
    given = attributes.section(request.body, "user")
    original, new = (attributes.text(given, name, passwords.LENGTH) for name in ("original_password", "password"))
    if not new:
        raise errors.BadRequest("Invalid input for field 'password': it is empty")
    with services.store.reading() as tx:
        stored = tx.scalar(sa.select(USER.c.password).where(USER.c.id == user_id, USER.c.enabled))
    address = str(request.http.remote_addr)
    services.throttle.attempt(user_id, address)
    if not passwords.is_right(original, stored):
        raise unauthorized()
    services.throttle.succeeded(user_id, address)
    hashed = passwords.make_hash(new)
    with services.tokens.changing() as tx:
        # Only if the password is still the one that was checked, since hashing takes a while.
        done = tx.execute(
            sa.update(USER).where(USER.c.id == user_id, USER.c.password == stored).values(password=hashed)
        )
        if done.rowcount == 0:
            raise unauthorized()
        revoke(tx, "user", user_id)
    return Answer(status=204)


def delete(services: Services, request: Request, user_id: str) -> Answer:
    objects.admin_only(request, "delete_user")
    with services.tokens.changing() as tx:
        objects.find(tx, USERS, user_id)
        remove(tx, user_id)
    return Answer(status=204)


def remove(tx: sa.Connection, user_id: str) -> None:
    """Delete a user together with its role assignments and application credentials; revoke its tokens."""
    revoke(tx, "user", user_id)
    for table in (ASSIGNMENT, APPLICATION_CREDENTIAL):
        tx.execute(sa.delete(table).where(table.c.user_id == user_id))
    tx.execute(sa.delete(USER).where(USER.c.id == user_id))
