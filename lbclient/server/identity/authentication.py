"""Authentication of a token request: verifies the user and determines the scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from ...store.identity_tables import APPLICATION_CREDENTIAL, DOMAIN, PROJECT, USER
from ...store.store import Store
from .. import errors
from ..attributes import Values
from . import lookup, passwords
from .assignments import SYSTEM
from .attributes import section, text
from .claims import Claims
from .lookup import unauthorized
from .throttle import Throttle
from .tokens import Tokens

METHODS = ("password", "token", "application_credential")


@dataclass(frozen=True)
class Proof:
    """An authenticated user, and the method that was used."""

    user_id: str
    methods: tuple[str, ...]
    parent: Claims | None = None  # claims of the token that was used
    credential: Any = None  # the application credential that was used

    @property
    def credential_id(self) -> str:
        """The ID of the application credential that was used, directly or to obtain the token; "" if none was."""
        if self.credential is not None:
            return str(self.credential.id)
        return self.parent.application_credential_id if self.parent else ""


def prove(store: Store, tokens: Tokens, throttle: Throttle, address: str, body: Any) -> Proof:
    """Verify the password, token or application credential in the body.

    Raises errors.BadRequest, errors.Unauthorized, or errors.TooManyRequests after failures from the address.
    """
    identity = section(section(body, "auth"), "identity")
    methods = identity.get("methods")
    if not isinstance(methods, list) or not methods or not all(isinstance(method, str) for method in methods):
        raise errors.BadRequest("Invalid input for field 'methods': it should be a list of strings.")
    unknown = [method for method in methods if method not in METHODS]
    if unknown or len(set(methods)) > 1:
        raise errors.Unauthorized("Attempted to authenticate with an unsupported method.")
    if methods[0] == "password":
        return _by_password(store, throttle, address, section(section(identity, "password"), "user"))
    if methods[0] == "application_credential":
        return _by_credential(store, throttle, address, section(identity, "application_credential"))
    return _by_token(tokens, text(section(identity, "token"), "id"))


def _by_password(store: Store, throttle: Throttle, address: str, user: Values) -> Proof:
    password = text(user, "password", passwords.LENGTH)
    with store.reading() as tx:
        row = _named(tx, USER, user, "user")
    subject = _subject(row, user)
    throttle.attempt(subject, address)
    # Hash the password even if there is no such user: the time of the answer must not reveal it.
    is_right = passwords.is_right(password, row.password if row else None)
    if row is None or not is_right:
        raise unauthorized()
    throttle.succeeded(subject, address)
    return Proof(row.id, ("password",))


def _subject(row: Any, given: Values) -> str:
    """Return the key by which attempts are counted: the ID, or the given names if there is no such object."""
    return str(row.id) if row else orjson.dumps(given.get("id") or [given.get("name"), given.get("domain")]).decode()


def _by_token(tokens: Tokens, token: str) -> Proof:
    claims = tokens.token_owner(token).claims
    return Proof(claims.user_id, tuple(dict.fromkeys(("token", *claims.methods))), claims)


def _by_credential(store: Store, throttle: Throttle, address: str, given: Values) -> Proof:
    secret = text(given, "secret", passwords.LENGTH)
    with store.reading() as tx:
        row = _credential(tx, given)
    subject = _subject(row, {**given, "domain": given.get("user")})
    throttle.attempt(subject, address)
    # Hash the secret even if there is no such credential: the time of the answer must not reveal it.
    is_right = passwords.is_right(secret, row.secret if row else None)
    if row is None or not is_right:
        raise unauthorized()
    throttle.succeeded(subject, address)
    return Proof(row.user_id, ("application_credential",), credential=row)


def _credential(tx: sa.Connection, given: Values) -> Any:
    """Return the application credential, given by ID or by name and user; None if it does not exist."""
    table = APPLICATION_CREDENTIAL
    if "id" in given:
        return tx.execute(sa.select(table).where(table.c.id == text(given, "id"))).one_or_none()
    user = _named(tx, USER, section(given, "user"), "user")
    same = (table.c.name == text(given, "name")) & (table.c.user_id == (user.id if user else None))
    return tx.execute(sa.select(table).where(same)).one_or_none()


def scope(store: Store, body: Any, proof: Proof) -> tuple[str, str]:
    """Return the requested scope of a token as (scope, ID). Raises errors.BadRequest or errors.Unauthorized."""
    asked = body["auth"].get("scope")
    bound = _bound_scope(proof)
    with store.reading() as tx:
        if asked is None:
            return bound or _default_scope(tx, proof.user_id)
        wanted = ("", "") if asked == "unscoped" else _asked_scope(tx, section({"scope": asked}, "scope"))
    if bound is not None and wanted != bound:
        raise unauthorized()
    return wanted


def _bound_scope(proof: Proof) -> tuple[str, str] | None:
    """Return the only possible scope if an application credential was used; otherwise None."""
    if proof.credential is not None:
        return "project", proof.credential.project_id
    if proof.parent is not None and proof.parent.application_credential_id:
        return proof.parent.scope, proof.parent.scope_id
    return None


def _default_scope(tx: sa.Connection, user_id: str) -> tuple[str, str]:
    default = tx.scalar(sa.select(USER.c.default_project_id).where(USER.c.id == user_id))
    if default and lookup.roles(tx, user_id, "project", default):
        try:
            lookup.enabled(tx, DOMAIN, lookup.enabled(tx, PROJECT, default).domain_id)
        except errors.Unauthorized:
            return "", ""  # the user still gets an unscoped token, and can choose another project
        return "project", default
    return "", ""


def _asked_scope(tx: sa.Connection, asked: Values) -> tuple[str, str]:
    if "unscoped" in asked:
        return "", ""
    for kind, table in (("project", PROJECT), ("domain", DOMAIN)):
        if kind in asked:
            row = _named(tx, table, section(asked, kind), kind)
            if row is None:
                raise unauthorized()
            return kind, row.id
    if "system" in asked:
        if section(asked, "system").get("all") is not True:
            raise errors.BadRequest("Invalid input for field 'system': it should be {'all': true}.")
        return "system", SYSTEM
    raise errors.BadRequest("Invalid input for field 'scope': one of project, domain, system, unscoped is required.")


def _named(tx: sa.Connection, table: sa.Table, given: Values, kind: str) -> Any:
    """Return the row given by ID, or by name and domain; None if it does not exist."""
    if "id" in given:
        return tx.execute(sa.select(table).where(table.c.id == text(given, "id"))).one_or_none()
    if "name" not in given:
        raise errors.BadRequest(f"Expecting to find id or name in {kind}.")
    condition = table.c.name == text(given, "name")
    if table is not DOMAIN:
        domain = _named(tx, DOMAIN, section(given, "domain"), "domain")
        condition &= table.c.domain_id == (domain.id if domain else None)
    return tx.execute(sa.select(table).where(condition)).one_or_none()
