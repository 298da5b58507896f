"""What a token says: sealed, so that nobody else can make one and no table of tokens is needed."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from cryptography.fernet import InvalidToken, MultiFernet

VERSION = 3


@dataclass(frozen=True)
class Claims:
    """Who, where, until when. It holds the scope, not its roles: these are looked up."""

    user_id: str
    scope: str  # project, domain, system, or nothing
    scope_id: str
    methods: tuple[str, ...]
    issued_at: float  # seconds since 1970, UTC
    expires_at: float
    audit_ids: tuple[str, ...]  # its own, and that of the first token of its chain
    revision: int = 0  # of the identity when it was issued
    application_credential_id: str = ""  # that it was got with; its roles are all that it can have


def new_audit_id() -> str:
    return secrets.token_urlsafe(16)


def seal(claims: Claims, keys: MultiFernet) -> str:
    """The token."""
    content = [VERSION, *(getattr(claims, name) for name in Claims.__dataclass_fields__)]
    return keys.encrypt(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")


def unseal(token: str, keys: MultiFernet) -> Claims | None:
    """What the token says, whether or not it still holds; None where nobody here made it."""
    try:
        content = keys.decrypt(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (InvalidToken, UnicodeEncodeError):
        return None
    version, *values = json.loads(content)
    if version != VERSION:
        return None
    user_id, scope, scope_id, methods, issued_at, expires_at, audit_ids, *others = values
    return Claims(user_id, scope, scope_id, tuple(methods), issued_at, expires_at, tuple(audit_ids), *others)
