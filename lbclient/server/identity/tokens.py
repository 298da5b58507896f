"""Issuing, checking and revoking tokens."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from ...store.identity_tables import IDENTITY_REVISION, REVOCATION
from ...store.prepared import Prepared
from ...store.store import Store
from ...vault import keys
from ...vault.keys import KeyRing
from ..access.context import Context
from . import lookup
from .claims import Claims, new_audit_id, seal, unseal
from .lookup import TokenOwner

LIFETIME = 3600.0  # seconds
REMEMBERED = 4096  # maximum number of cached tokens
LOOK_AGAIN = 1.0  # seconds between checks for changes by other processes; changes by this process are seen at once


class Tokens:
    """Issues, checks and revokes tokens.

    Checked tokens are cached until they expire or anything changes that tokens may depend on.
    """

    def __init__(self, store: Store, source: Path | KeyRing) -> None:
        self._store = store
        self._keys = keys.ring(source).load()
        self._lock = threading.Lock()
        self._known: OrderedDict[str, TokenOwner] = OrderedDict()
        self._generation = 0
        self._revision = -1
        self._looked_at = float("-inf")

    def check(self, token: str) -> Context:
        """Return the context of the user who sent this token. Raises errors.Unauthorized."""
        return self.token_owner(token).context

    def token_owner(self, token: str) -> TokenOwner:
        """Return the owner and scope of a valid token. Raises errors.Unauthorized."""
        self._look_for_changes()
        with self._lock:
            token_owner = self._known.get(token)
            generation = self._generation
        if token_owner is None:
            token_owner = self._look_up(token)
            self._remember(token, token_owner, generation)
        if token_owner.claims.expires_at <= time.time():
            raise lookup.unauthorized()
        return token_owner

    def issue(
        self,
        user_id: str,
        scope: str,
        scope_id: str,
        methods: tuple[str, ...],
        parent: Claims | None = None,
        application_credential_id: str = "",
        no_later_than: float | None = None,
        proved_at: int | None = None,
    ) -> tuple[str, TokenOwner]:
        """Issue a token; one that is obtained with another token expires with it. Raises errors.Unauthorized.

        proved_at is the revision of the identity tables before the user was authenticated; None: the current one.
        """
        now = time.time()
        expires_at = parent.expires_at if parent else now + LIFETIME
        with self._store.reading() as tx:
            claims = Claims(
                user_id,
                scope,
                scope_id,
                methods,
                now,
                expires_at if no_later_than is None else min(expires_at, no_later_than),
                (new_audit_id(), parent.audit_ids[-1]) if parent else (new_audit_id(),),
                parent.revision if parent else _revision(tx) if proved_at is None else proved_at,
                application_credential_id,
            )
            return seal(claims, self._keys), lookup.token_owner(tx, claims)

    def revision(self) -> int:
        """Return the revision of the identity tables. Later revocations apply to tokens with this revision."""
        with self._store.reading() as tx:
            return _revision(tx)

    def revoke(self, token: str) -> None:
        """Revoke one token. Raises errors.Unauthorized if it is no longer valid."""
        claims = self.token_owner(token).claims
        with self.changing() as tx:
            revoke(tx, "audit", claims.audit_ids[0], claims.expires_at + LIFETIME)

    @contextmanager
    def changing(self, is_durable: bool = True) -> Iterator[sa.Connection]:
        """Open a transaction that may affect the meaning of tokens; the cache is cleared afterwards."""
        with self._store.writing(is_durable) as tx:
            touch(tx)
            yield tx
        self.forget()

    def _look_up(self, token: str) -> TokenOwner:
        claims = unseal(token, self._keys)
        if claims is None:
            raise lookup.unauthorized()
        with self._store.reading() as tx:
            return lookup.token_owner(tx, claims)

    def _remember(self, token: str, token_owner: TokenOwner, generation: int) -> None:
        with self._lock:
            if generation != self._generation:  # looked up before a change that has since cleared the cache
                return
            self._known[token] = token_owner
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def _look_for_changes(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < LOOK_AGAIN:
            return
        self._looked_at = now
        with self._store.reading() as tx:
            revision = _revision(tx)
        if revision != self._revision:
            self._revision = revision
            self.forget()

    def forget(self) -> None:
        """Clear the cache, so that tokens are looked up again when they are next used."""
        with self._lock:
            self._generation += 1
            self._known.clear()


def touch(tx: sa.Connection) -> None:
    """Increment the revision, so that other processes clear their caches of tokens."""
    counted = tx.execute(sa.update(IDENTITY_REVISION).values(revision=IDENTITY_REVISION.c.revision + 1))
    if counted.rowcount == 0:
        tx.execute(sa.insert(IDENTITY_REVISION).values(id=1, revision=1))


_REVISION = Prepared(sa.select(IDENTITY_REVISION.c.revision))


def _revision(tx: sa.Connection) -> int:
    return _REVISION.scalar(tx) or 0


def revoke(tx: sa.Connection, kind: str, subject: str, forgotten_at: float | None = None) -> None:
    """Revoke one token (kind audit), or all current tokens of a user or a scope, in a transaction of changing()."""
    past = REVOCATION.c.forgotten_at < time.time()
    replaced = (REVOCATION.c.kind == kind) & (REVOCATION.c.subject == subject)
    tx.execute(sa.delete(REVOCATION).where(past | replaced))
    row = {"kind": kind, "subject": subject, "revision": _revision(tx), "forgotten_at": forgotten_at}
    tx.execute(sa.insert(REVOCATION).values(row))
