"""Look-up of the current database rows behind the claims of a token."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...store import prepared
from ...store.identity_tables import APPLICATION_CREDENTIAL, ASSIGNMENT, DOMAIN, PROJECT, REVOCATION, ROLE, USER
from .. import errors
from ..access.context import Context
from .claims import Claims

_REVOKED = prepared.Prepared(
    sa.select(REVOCATION.c.id)
    .where(
        sa.or_(
            *(
                (REVOCATION.c.kind == kind) & (REVOCATION.c.subject == sa.bindparam(kind))
                for kind in ("audit", "user", "scope")
            ),
        ),
        REVOCATION.c.revision > sa.bindparam("since"),
    )
    .limit(1)
)
_ROLES = prepared.Prepared(
    sa.select(ROLE)
    .join(ASSIGNMENT, ASSIGNMENT.c.role_id == ROLE.c.id)
    .where(*(ASSIGNMENT.c[name] == sa.bindparam(name) for name in ("user_id", "scope", "scope_id")))
    .order_by(ROLE.c.name)
)


@dataclass(frozen=True)
class TokenOwner:
    """The claims of a token with the rows that they refer to."""

    claims: Claims
    user: Any
    user_domain: Any
    project: Any  # None unless the scope is a project
    scope_domain: Any  # the domain of the project, or the domain that is the scope, or None
    roles: tuple[Any, ...]
    credential: Any = None  # the application credential with which the token was obtained

    @property
    def context(self) -> Context:
        return Context(
            user_id=self.claims.user_id,
            project_id=self.project.id if self.project else None,
            roles=frozenset(role.name for role in self.roles),
            domain_id=self.user.domain_id,
            user_name=self.user.name,
        )


def unauthorized() -> errors.Unauthorized:
    """Return the error for every failed authentication: it must not reveal the reason."""
    return errors.Unauthorized("The request you have made requires authentication.")


def token_owner(tx: sa.Connection, claims: Claims) -> TokenOwner:
    """Return the rows behind the claims. Raises errors.Unauthorized if the token is not valid any longer."""
    if claims.expires_at <= time.time() or is_revoked(tx, claims):
        raise unauthorized()
    user = enabled(tx, USER, claims.user_id)
    user_domain = enabled(tx, DOMAIN, user.domain_id)
    project = enabled(tx, PROJECT, claims.scope_id) if claims.scope == "project" else None
    domain_id = project.domain_id if project else claims.scope_id if claims.scope == "domain" else None
    scope_domain = enabled(tx, DOMAIN, domain_id) if domain_id else None
    found = roles(tx, claims.user_id, claims.scope, claims.scope_id) if claims.scope else []
    credential = application_credential(tx, claims) if claims.application_credential_id else None
    if credential is not None:
        found = [role for role in found if role.id in credential.roles]
    if claims.scope and not found:
        raise unauthorized()
    return TokenOwner(claims, user, user_domain, project, scope_domain, tuple(found), credential)


def application_credential(tx: sa.Connection, claims: Claims) -> Any:
    """Return the application credential of a token, if it is valid for its user and project.

    Raises errors.Unauthorized.
    """
    same = APPLICATION_CREDENTIAL.c.id == claims.application_credential_id
    row = tx.execute(sa.select(APPLICATION_CREDENTIAL).where(same)).one_or_none()
    if row is None or (row.user_id, "project", row.project_id) != (claims.user_id, claims.scope, claims.scope_id):
        raise unauthorized()
    if row.expires_at is not None and row.expires_at <= time.time():
        raise unauthorized()
    return row


def is_revoked(tx: sa.Connection, claims: Claims) -> bool:
    """Whether this token, or all tokens of its user or scope up to a later revision, have been revoked.

    Compares revisions of the identity tables rather than times, so that setting back the clock revives no token.
    """
    subjects = {"audit": claims.audit_ids[0], "user": claims.user_id, "scope": claims.scope_id}
    return _REVOKED.first(tx, since=claims.revision, **subjects) is not None


def enabled(tx: sa.Connection, table: sa.Table, id_: str) -> Any:
    """Return the row if it exists and is enabled. Raises errors.Unauthorized."""
    row = prepared.by(table, "id").first(tx, id=id_)
    if row is None or not row.enabled:
        raise unauthorized()
    return row


def roles(tx: sa.Connection, user_id: str, scope: str, scope_id: str) -> list[Any]:
    """Return the roles that a user has in a scope, by name."""
    return list(_ROLES.all(tx, user_id=user_id, scope=scope, scope_id=scope_id))
