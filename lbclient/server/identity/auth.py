"""Requests below /v3/auth: tokens, and the domains and the system that the caller has access to."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from ...store.identity_tables import ASSIGNMENT, DOMAIN
from .. import errors
from ..attributes import Values
from ..services import Services
from ..web.routing import Answer, Request
from . import authentication, catalog, domains, objects
from .attributes import DOMAINS
from .lookup import TokenOwner

VARY = {"Vary": "X-Auth-Token"}


def issue(services: Services, request: Request) -> Answer:
    """Authenticate the user and issue a token."""
    proved_at = services.tokens.revision()
    address = str(request.http.remote_addr)
    proof = authentication.prove(services.store, services.tokens, services.throttle, address, request.body)
    scope, scope_id = authentication.scope(services.store, request.body, proof)
    token, token_owner = services.tokens.issue(
        proof.user_id,
        scope,
        scope_id,
        proof.methods,
        proof.parent,
        proof.credential_id,
        proof.credential.expires_at if proof.credential else None,
        proved_at,
    )
    return Answer({"token": present(request, token_owner)}, 201, {"X-Subject-Token": token, **VARY})


def show(services: Services, request: Request) -> Answer:
    """Show a token: one of the caller's own, or any token for an admin."""
    token, token_owner = _subject(services, request, "validate_token")
    return Answer({"token": present(request, token_owner)}, 200, {"X-Subject-Token": token, **VARY})


def check(services: Services, request: Request) -> Answer:
    token, _ = _subject(services, request, "check_token")
    return Answer(None, 200, {"X-Subject-Token": token, **VARY})


def revoke(services: Services, request: Request) -> Answer:
    token, _ = _subject(services, request, "revoke_token")
    services.tokens.revoke(token)
    return Answer(status=204)


def _subject(services: Services, request: Request, action: str) -> tuple[str, TokenOwner]:
    token = request.http.get_header("X-Subject-Token")
    if not token:
        raise errors.BadRequest("The header X-Subject-Token is missing.")
    try:
        token_owner = services.tokens.token_owner(token)
    except errors.Unauthorized:
        raise errors.NotFound("Could not find token.") from None
    if token_owner.claims.user_id != request.who.user_id:
        objects.admin_only(request, action)
    return token, token_owner


def present(request: Request, token_owner: TokenOwner) -> Values:
    """Return the representation of a token."""
    claims, user = token_owner.claims, token_owner.user
    body: Values = {
        "methods": list(claims.methods),
        "user": {
            "id": user.id,
            "name": user.name,
            "domain": _reference(token_owner.user_domain),
            "password_expires_at": None,
        },
        "audit_ids": list(dict.fromkeys(claims.audit_ids)),
        "expires_at": _time(claims.expires_at),
        "issued_at": _time(claims.issued_at),
    }
    if not claims.scope:
        return body
    if token_owner.credential is not None:
        is_restricted = not token_owner.credential.unrestricted
        body["application_credential"] = {**_reference(token_owner.credential), "restricted": is_restricted}
    body["roles"] = [_reference(role) for role in token_owner.roles]
    if not any(name == "nocatalog" for name, _ in request.query):
        body["catalog"] = catalog.catalog(request)
    return body | _scope(token_owner)


def _scope(token_owner: TokenOwner) -> Values:
    if token_owner.project is not None:
        project = {**_reference(token_owner.project), "domain": _reference(token_owner.scope_domain)}
        return {"project": project, "is_domain": False}
    if token_owner.scope_domain is not None:
        return {"domain": _reference(token_owner.scope_domain)}
    return {"system": {"all": True}}


def _reference(row: Any) -> dict[str, str]:
    return {"id": row.id, "name": row.name}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def list_domains(services: Services, request: Request) -> Answer:
    """List the domains in which the caller has a role."""
    given = (ASSIGNMENT.c.user_id == request.who.user_id) & (ASSIGNMENT.c.scope == "domain")
    condition = DOMAIN.c.id.in_(sa.select(ASSIGNMENT.c.scope_id).where(given))
    with services.store.reading() as tx:
        return objects.listed(tx, DOMAINS, request, domains.present, condition)


def list_system(services: Services, request: Request) -> Answer:
    """List the system if the caller has a role in it."""
    given = (ASSIGNMENT.c.user_id == request.who.user_id) & (ASSIGNMENT.c.scope == "system")
    with services.store.reading() as tx:
        is_there = tx.execute(sa.select(ASSIGNMENT.c.role_id).where(given).limit(1)).first() is not None
    return objects.collection(request, "system", [{"all": True}] if is_there else [])
