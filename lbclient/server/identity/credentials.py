"""Application credentials, with which programs authenticate without the user's password."""

from __future__ import annotations

import secrets
import time
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from ...store.identity_tables import APPLICATION_CREDENTIAL, ROLE
from .. import errors
from ..attributes import Values
from ..services import Services
from ..web.routing import Answer, Request
from . import lookup, objects, passwords
from .attributes import CREDENTIALS, USERS, section, values

EXPIRES = (
    "%Y-%m-%dT%H:%M:%S.%f"  # UTC, without a suffix: Keystone's format for this one time, and all that clients accept
)


def create(services: Services, request: Request, user_id: str) -> Answer:
    """Create a credential for the caller in the project of the token. Only this answer contains the secret."""
    _owner_only(request, user_id, "create_application_credential")
    _refuse_if_restricted(services, request)
    given = values(CREDENTIALS, request.body, is_new=True)
    asked = section(request.body, CREDENTIALS.name)
    if asked.get("access_rules"):
        raise errors.BadRequest("Invalid application credential: there are no access rules here.")
    secret = given.get("secret") or secrets.token_urlsafe(64)
    row = {
        "name": given["name"],
        "user_id": user_id,
        "project_id": _project(request),
        "description": given.get("description"),
        "secret": passwords.make_hash(secret),
        "expires_at": _expiry(given.get("expires_at")),
        "unrestricted": given.get("unrestricted", False),
    }
    with services.tokens.changing() as tx:
        row["roles"] = _roles(tx, request, asked.get("roles"))
        made = _present(tx, request, objects.add(tx, CREDENTIALS, row))
    return Answer({"application_credential": {**made, "secret": secret}}, 201)


def _project(request: Request) -> str:
    if request.who.project_id is None:
        raise errors.BadRequest("Invalid application credential: the token is for no project.")
    return request.who.project_id


def _expiry(given: str | None) -> float | None:
    if given is None:
        return None
    text = given.strip()
    try:
        if len(text) > 40 or not text.isascii():
            raise ValueError
        moment = datetime.fromisoformat(f"{text[:-1]}+00:00" if text[-1:] in ("Z", "z") else text)
        expires_at = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        why = "Invalid input for field 'expires_at': it should be a time like 2030-01-31T12:00:00."
        raise errors.BadRequest(why) from None
    if expires_at <= time.time():
        raise errors.BadRequest("Invalid application credential: expires_at is in the past.")
    return expires_at


def _roles(tx: sa.Connection, request: Request, asked: Any) -> list[str]:
    """Return the IDs of the requested roles, which the token must have; without a list, all roles of the token."""
    held = {row.id: row.name for row in tx.execute(sa.select(ROLE).where(ROLE.c.name.in_(request.who.roles)))}
    if not asked:
        return list(held)
    if not isinstance(asked, list) or not all(isinstance(role, dict) for role in asked):
        raise errors.BadRequest("Invalid input for field 'roles': it should be a list of objects.")
    found = []
    for role in asked:
        matching = [id_ for id_, name in held.items() if role.get("id", id_) == id_ and role.get("name", name) == name]
        if not matching or not {"id", "name"} & set(role):
            named = str(role.get("id") or role.get("name"))[:80]
            why = f"Could not find role assignment with role: {named}."
            raise errors.BadRequest(f"Invalid application credential: {why}")
        found += matching
    return list(dict.fromkeys(found))


def list_all(services: Services, request: Request, user_id: str) -> Answer:
    """List the application credentials of a user, in the order of their names."""
    _owner_or_admin(request, user_id, "list_application_credentials")
    with services.store.reading() as tx:
        objects.find(tx, USERS, user_id)
        mine = APPLICATION_CREDENTIAL.c.user_id == user_id
        return objects.listed(tx, CREDENTIALS, request, lambda request, row: _present(tx, request, row), mine)


def show(services: Services, request: Request, user_id: str, id_: str) -> Answer:
    _owner_or_admin(request, user_id, "get_application_credential")
    with services.store.reading() as tx:
        return Answer({"application_credential": _present(tx, request, _find(tx, user_id, id_))})


def delete(services: Services, request: Request, user_id: str, id_: str) -> Answer:
    """Delete a credential; tokens obtained with it become invalid at once."""
    _owner_or_admin(request, user_id, "delete_application_credential")
    _refuse_if_restricted(services, request)
    with services.tokens.changing() as tx:
        row = _find(tx, user_id, id_)
        tx.execute(sa.delete(APPLICATION_CREDENTIAL).where(APPLICATION_CREDENTIAL.c.id == row.id))
    return Answer(status=204)


def list_access_rules(services: Services, request: Request, user_id: str) -> Answer:
    """List no access rules: they are not supported, but clients ask for them."""
    _owner_or_admin(request, user_id, "list_access_rules")
    return objects.collection(request, "access_rules", [])


def _find(tx: sa.Connection, user_id: str, id_: str) -> Any:
    row = objects.find(tx, CREDENTIALS, id_)
    if row.user_id != user_id:
        raise errors.NotFound(f"Could not find {CREDENTIALS.name}: {id_}.")
    return row


def _owner_only(request: Request, user_id: str, action: str) -> None:
    if request.who.user_id != user_id:
        raise errors.Forbidden(f"You are not authorized to perform the requested action: identity:{action}.")


def _owner_or_admin(request: Request, user_id: str, action: str) -> None:
    if request.who.user_id != user_id:
        objects.admin_only(request, action)


def _refuse_if_restricted(services: Services, request: Request) -> None:
    """Refuse the request if the token was obtained with a restricted credential. Raises errors.Forbidden."""
    token = request.http.get_header("X-Auth-Token")
    if not token:
        return
    credential = services.tokens.token_owner(token).credential
    if credential is not None and not credential.unrestricted:
        why = "Using method 'application_credential' is not allowed for managing additional application credentials."
        raise errors.Forbidden(why)


def _present(tx: sa.Connection, request: Request, row: Any) -> Values:
    known = lookup.roles(tx, row.user_id, "project", row.project_id)
    expires = None
    if row.expires_at is not None:
        expires = datetime.fromtimestamp(row.expires_at, timezone.utc).strftime(EXPIRES)
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "roles": [{"id": each.id, "name": each.name, "domain_id": None} for each in known if each.id in row.roles],
        "expires_at": expires,
        "unrestricted": row.unrestricted,
        "system": None,
        "links": {"self": f"{request.base}/v3/users/{row.user_id}/application_credentials/{row.id}"},
    }
