"""An external Barbican: copy the secrets that load balancers refer to, with the sender's token, and seal the copies.

A secret never changes once it has a payload, so a copy stays valid, and traffic does not depend on the key manager.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from keystoneauth1 import exceptions, session
from keystoneauth1.token_endpoint import Token

from ...store import serials, times, tls_material
from ...store.keymanager_tables import CONTAINER, CONTENT, SECRET
from ...store.store import Store
from .. import errors
from ..access.context import Context

TIMEOUT = 10.0  # seconds for an answer
MOST = 1000  # requests to Barbican for one request of a client: two for each secret, and one for its container
TOO_MANY = f"The request needs more than {MOST} requests to the key manager: use fewer certificates at a time."
KEPT = timedelta(hours=1)  # how long a copy without references is kept
UNREACHABLE = "The key manager cannot be reached; try again."
NOT_THERE = "Could not retrieve certificate: {}"
COLUMNS = frozenset(
    column
    for group in (tls_material.CERTIFICATES, tls_material.TEXTS)
    for columns in group.values()
    for column in columns
)


@dataclass
class _Found:
    """Secrets and containers read from Barbican: payloads by secret ID, and containers with their named secrets."""

    payloads: dict[str, bytes] = field(default_factory=dict)
    containers: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)  # {id: (type, {name: secret})}


class Barbican:
    """Copies the secrets and containers that requests refer to into the store."""

    def __init__(self, url: str, store: Store) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")
        self._store = store

    def copy(self, who: Context, token: str, body: Any) -> None:
        """Fetch all secrets and containers that a request's body refers to, before the request's transaction.

        Raises errors.BadRequest with Octavia's text if the sender cannot read one, and errors.Unavailable if Barbican
        does not answer.
        """
        wanted = sorted(set(_references(body)))
        if not wanted:
            return
        reader = _Reader(self._url, token)
        found = _Found()
        for reference in wanted:
            reader.read(reference, found)
        with self._store.writing() as tx:
            _sweep(tx)
            _keep(tx, who, found)


class _Reader:
    """Reads from Barbican with the token of a request's sender."""

    def __init__(self, url: str, token: str) -> None:
        self._session = session.Session(auth=Token(f"{url}/v1", token), user_agent="lbclient-server")
        self._url = url
        self._left = MOST  # requests

    def read(self, reference: str, found: _Found) -> None:
        """Read a secret's payload, or a container and the payloads of its secrets. Raises errors.BadRequest."""
        id_ = tls_material.id_of(reference)
        if id_ is None or not (self._secret(id_, found) or self._container(id_, found)):
            raise errors.BadRequest(NOT_THERE.format([reference]))

    def _secret(self, id_: str, found: _Found) -> bool:
        # Only the ID of the client's reference is used: the server sends requests to the configured Barbican only.
        about = self._get(f"/v1/secrets/{id_}", "application/json")
        kind = about.json().get("content_types", {}).get("default") if about is not None else None
        payload = self._get(f"/v1/secrets/{id_}/payload", kind) if kind else None
        if payload is None:
            return False
        found.payloads[id_] = payload.content
        return True

    def _container(self, id_: str, found: _Found) -> bool:
        answer = self._get(f"/v1/containers/{id_}", "application/json")
        if answer is None:
            return False
        about = answer.json()
        parts = {ref.get("name"): tls_material.id_of(ref["secret_ref"]) for ref in about["secret_refs"]}
        known = {name: secret for name, secret in parts.items() if name and secret and self._secret(secret, found)}
        found.containers[id_] = (about["type"], known)
        return len(known) == len(parts)

    def _get(self, path: str, accept: str) -> Any:
        """Return the answer to a GET; None if the object does not exist or the sender may not read it.

        Raises errors.BadRequest after MOST of them, and errors.Unavailable.
        """
        self._left -= 1
        if self._left < 0:
            raise errors.BadRequest(TOO_MANY)
        try:
            answer = self._session.get(
                self._url + path, headers={"Accept": accept}, raise_exc=False, redirect=False, timeout=TIMEOUT
            )
        except exceptions.ClientException as error:
            raise errors.Unavailable(UNREACHABLE) from error
        if answer.status_code in (401, 403, 404, 406):
            return None
        if answer.status_code != 200:
            raise errors.Unavailable(UNREACHABLE)
        return answer


def _references(body: Any) -> Iterator[str]:
    """Yield every reference in a body, at any depth."""
    if isinstance(body, Mapping):
        for name, value in body.items():
            if name in COLUMNS:
                yield from filter(_is_text, value if isinstance(value, list) else [value])
            else:
                yield from _references(value)
    elif isinstance(body, list):
        for each in body:
            yield from _references(each)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _keep(tx: sa.Connection, who: Context, found: _Found) -> None:
    """Store the copies as objects of the sender's project, replacing earlier ones."""
    now = times.now()
    owner = {"project_id": who.project_id or "", "creator_id": who.user_id, "created": now, "updated": now}
    for id_ in found.containers:
        tx.execute(sa.delete(CONTENT).where(CONTENT.c.container_id == id_))
        tx.execute(sa.delete(CONTAINER).where(CONTAINER.c.id == id_))
    for id_, payload in found.payloads.items():
        sealed = tls_material.vault(tx).seal(payload)
        values = {**owner, "serial": serials.of_row(tx), "sealed": sealed, "content_type": "application/octet-stream"}
        if tx.execute(sa.update(SECRET).where(SECRET.c.id == id_).values(values)).rowcount == 0:
            tx.execute(sa.insert(SECRET).values(id=id_, secret_type="opaque", **values))
    for id_, (type_, parts) in found.containers.items():
        tx.execute(sa.insert(CONTAINER).values(id=id_, type=type_, serial=serials.of_row(tx), **owner))
        for position, (name, secret_id) in enumerate(parts.items()):
            row = {"container_id": id_, "secret_id": secret_id, "name": name, "position": position}
            tx.execute(sa.insert(CONTENT).values(row))


def _sweep(tx: sa.Connection) -> None:
    """Delete old copies without references."""
    before = (datetime.now(timezone.utc) - KEPT).strftime("%Y-%m-%dT%H:%M:%S")
    for table in (CONTAINER, SECRET):
        old = list(tx.scalars(sa.select(table.c.id).where(table.c.updated < before)))
        used = {user.used_id for user in tls_material.users(tx, old)} if old else set()
        unused = [id_ for id_ in old if id_ not in used]
        if table is CONTAINER:
            tx.execute(sa.delete(CONTENT).where(CONTENT.c.container_id.in_(unused)))
        else:
            unused = [id_ for id_ in unused if not tls_material.containers_with(tx, id_)]
        tx.execute(sa.delete(table).where(table.c.id.in_(unused)))
