"""Key manager references of load balancers: the certificates and texts behind them, and which rows use a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .keymanager_tables import CONTENT, SECRET, is_current
from .records import ListenerRecord, PoolRecord
from .tables import LISTENER, POOL
from .times import now

if TYPE_CHECKING:
    from ..vault.material import Material
    from ..vault.sealing import Vault

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
REFERENCE = re.compile(rf"(?:https?://\S*/)?({UUID})/?", re.IGNORECASE)  # a URL that ends with an ID, or the ID alone

# Columns with references to the key manager: to certificates with their keys, and to texts.
CERTIFICATES = {
    "listener": ("default_tls_container_ref", "sni_container_refs"),
    "pool": ("tls_container_ref",),
}
TEXTS = {
    "listener": ("client_ca_tls_container_ref", "client_crl_container_ref"),
    "pool": ("ca_tls_container_ref", "crl_container_ref"),
}


def vault(tx: sa.Connection) -> Vault:
    """Return the vault of a transaction's store. Raises RuntimeError if the store has none."""
    found: Vault | None = tx.get_execution_options().get("vault")
    if found is None:
        raise RuntimeError("this store was opened without a vault: it can keep no payloads")
    return found


def id_of(reference: str) -> str | None:
    """Return the ID at the end of a reference; None if there is none."""
    found = REFERENCE.fullmatch(reference)
    return found.group(1).lower() if found else None


def references(name: str, row: Any) -> list[str]:
    """Return all key manager references of a listener or a pool; `name` is the name of the resource."""
    found: list[str] = []
    for column in (*CERTIFICATES.get(name, ()), *TEXTS.get(name, ())):
        value = getattr(row, column)
        found += [value] if isinstance(value, str) and value else value or []
    return found


def of_rows(
    tx: sa.Connection, listeners: Iterable[ListenerRecord], pools: Iterable[PoolRecord]
) -> dict[str, Material | None]:
    """Return the material of each reference in these rows, by reference. Makes no query if there are no references."""
    wanted = [reference for row in listeners for reference in references("listener", row)]
    wanted += [reference for row in pools for reference in references("pool", row)]
    return {reference: material(tx, reference) for reference in dict.fromkeys(wanted)}


def material(tx: sa.Connection, reference: str) -> Material | None:
    """Return the certificate or text behind a reference; None if it does not exist, has no payload or has expired."""
    id_ = id_of(reference)
    if id_ is None:
        return None
    sealed = tx.scalar(sa.select(SECRET.c.sealed).where(SECRET.c.id == id_, is_current(now())))
    if sealed is not None:
        return vault(tx).of_secret(sealed)
    contents = (
        sa.select(CONTENT.c.name, SECRET.c.sealed)
        .join(SECRET, SECRET.c.id == CONTENT.c.secret_id)
        .where(CONTENT.c.container_id == id_, SECRET.c.sealed.is_not(None), is_current(now()))
    )
    parts = {row.name: row.sealed for row in tx.execute(contents)}
    return vault(tx).of_container(parts) if parts else None


def containers_with(tx: sa.Connection, secret_id: str) -> list[str]:
    """Return the IDs of the containers that hold a secret."""
    return list(tx.scalars(sa.select(CONTENT.c.container_id).where(CONTENT.c.secret_id == secret_id)))


@dataclass(frozen=True)
class User:
    """A listener or a pool that refers to a secret or a container."""

    used_id: str
    resource: str
    id: str
    loadbalancer_id: str


def users(tx: sa.Connection, ids: Iterable[str]) -> list[User]:
    """Return the listeners and pools that refer to these secrets or containers."""
    wanted = set(ids)
    return [
        User(id_, name, row.id, row.loadbalancer_id)
        for name, table in (("listener", LISTENER), ("pool", POOL))
        for row in tx.execute(_rows_that_refer(name, table))
        for id_ in dict.fromkeys(id_of(reference) for reference in references(name, row))
        if id_ in wanted
    ]


def loadbalancers_with(tx: sa.Connection, ids: Iterable[str]) -> list[str]:
    """Return the IDs of the load balancers that refer to these secrets or containers."""
    return list(dict.fromkeys(user.loadbalancer_id for user in users(tx, ids)))


def _rows_that_refer(name: str, table: sa.Table) -> sa.Select[Any]:
    columns = [table.c[column] for column in (*CERTIFICATES[name], *TEXTS[name])]
    is_given = [column.is_not(None) & sa.cast(column, sa.Text).not_in(("", "[]")) for column in columns]
    return sa.select(table.c.id, table.c.loadbalancer_id, *columns).where(sa.or_(*is_given)).order_by(table.c.serial)
