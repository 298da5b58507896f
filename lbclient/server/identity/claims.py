"""The content of a token, encrypted, so that tokens cannot be forged and need no table."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from cryptography.fernet import InvalidToken, MultiFernet

VERSION = 3


@dataclass(frozen=True)
class Claims:
    """The user, scope and expiry of a token. The roles are not included; they are looked up when it is used."""

    user_id: str
    scope: str  # project, domain or system; "" for an unscoped token
    scope_id: str
    methods: tuple[str, ...]
    issued_at: float  # seconds since 1970, UTC
    expires_at: float
    audit_ids: tuple[str, ...]  # its own, and that of the first token in its chain
    revision: int = 0  # of the identity tables when it was issued
    application_credential_id: str = ""  # with which it was obtained, and which limits its roles


def new_audit_id() -> str:
    return secrets.token_urlsafe(16)


def seal(claims: Claims, keys: MultiFernet) -> str:
    """Encrypt claims into a token."""
    content = [VERSION, *(getattr(claims, name) for name in Claims.__dataclass_fields__)]
    return keys.encrypt(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")


def unseal(token: str, keys: MultiFernet) -> Claims | None:
    """Decrypt a token, whether or not it is still valid; None if it was not issued with these keys and this version."""
    try:
        content = keys.decrypt(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (InvalidToken, UnicodeEncodeError):
        return None
    version, *values = json.loads(content)
    if version != VERSION:
        return None
    user_id, scope, scope_id, methods, issued_at, expires_at, audit_ids, *others = values
    return Claims(user_id, scope, scope_id, tuple(methods), issued_at, expires_at, tuple(audit_ids), *others)
