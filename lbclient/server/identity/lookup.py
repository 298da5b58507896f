"""What the claims of a token stand for, as the database has it now."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...store.identity_tables import APPLICATION_CREDENTIAL, ASSIGNMENT, DOMAIN, PROJECT, REVOCATION, ROLE, USER
from .. import errors
from ..access.context import Context
from .claims import Claims


@dataclass(frozen=True)
class TokenOwner:
    """A token's claims with the rows that they name."""

    claims: Claims
    user: Any
    user_domain: Any
    project: Any  # None unless it is the scope
    scope_domain: Any  # the project's, or the scope itself, or None
    roles: tuple[Any, ...]
    credential: Any = None  # the application credential that the token was got with

    @property
    def context(self) -> Context:
        return Context(
            user_id=self.claims.user_id,
            project_id=self.project.id if self.project else None,
            roles=frozenset(role.name for role in self.roles),
            domain_id=self.user.domain_id,
        )


def unauthorized() -> errors.Unauthorized:
    """The one answer to whatever is wrong with who asks: it must not tell what."""
    return errors.Unauthorized("The request you have made requires authentication.")


def token_owner(tx: sa.Connection, claims: Claims) -> TokenOwner:
    """Raises errors.Unauthorized where the claims do not hold (any more)."""
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
    """The application credential of a token, which is good for its user in its project. Raises errors.Unauthorized."""
    same = APPLICATION_CREDENTIAL.c.id == claims.application_credential_id
    row = tx.execute(sa.select(APPLICATION_CREDENTIAL).where(same)).one_or_none()
    if row is None or (row.user_id, "project", row.project_id) != (claims.user_id, claims.scope, claims.scope_id):
        raise unauthorized()
    if row.expires_at is not None and row.expires_at <= time.time():
        raise unauthorized()
    return row


def is_revoked(tx: sa.Connection, claims: Claims) -> bool:
    """Whether this token, or all of its user's or its scope's up to a revision after it, have been ended.

    Revisions of the identity count here, not times: a clock that is set back makes no token outlive its end.
    """
    kind, subject = REVOCATION.c.kind, REVOCATION.c.subject
    meant = sa.or_(
        (kind == "audit") & (subject == claims.audit_ids[0]),
        (kind == "user") & (subject == claims.user_id),
        (kind == "scope") & (subject == claims.scope_id),
    )
    revoked = sa.select(REVOCATION.c.id).where(meant, REVOCATION.c.revision > claims.revision)
    return tx.execute(revoked.limit(1)).first() is not None


def enabled(tx: sa.Connection, table: sa.Table, id_: str) -> Any:
    """The row, if it exists and is enabled. Raises errors.Unauthorized."""
    row = tx.execute(sa.select(table).where(table.c.id == id_, table.c.enabled)).one_or_none()
    if row is None:
        raise unauthorized()
    return row


def roles(tx: sa.Connection, user_id: str, scope: str, scope_id: str) -> list[Any]:
    """The roles that a user has somewhere."""
    given = (ASSIGNMENT.c.user_id == user_id) & (ASSIGNMENT.c.scope == scope) & (ASSIGNMENT.c.scope_id == scope_id)
    found = sa.select(ROLE).join(ASSIGNMENT, ASSIGNMENT.c.role_id == ROLE.c.id).where(given).order_by(ROLE.c.name)
    return list(tx.execute(found))
