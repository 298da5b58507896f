"""Hosts and amphorae: which host runs which load balancer."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa

from . import serials
from .cluster_tables import AMPHORA, HOST, SERVER, SERVER_NAME
from .prepared import Prepared, by, insert
from .records import AmphoraRecord
from .times import now

_OWNER = AMPHORA.c.loadbalancer_id == sa.bindparam("owner")
_FORGET = Prepared(sa.delete(AMPHORA).where(_OWNER))
_RENEW = Prepared(sa.update(AMPHORA).where(_OWNER), ("id", "created_at"))


def add_server(tx: sa.Connection) -> None:
    """Add the host of the server itself, unless it is known."""
    if by(HOST, "id").first(tx, id=SERVER) is None:
        row = {"id": SERVER, "name": SERVER_NAME, "created_at": now(), "serial": serials.of_row(tx)}
        tx.execute(sa.insert(HOST).values(row))


def place(tx: sa.Connection, loadbalancer_id: str, described: dict[str, Any]) -> None:
    """Give a new load balancer an amphora; `described` has its compute zone and its compute flavor."""
    row = {
        "id": str(uuid.uuid4()),
        "loadbalancer_id": loadbalancer_id,
        "host_id": SERVER,
        "role": "STANDALONE",
        "created_at": now(),
        **described,
    }
    insert(AMPHORA, *row).run(tx, **row)


def renew(tx: sa.Connection, loadbalancer_id: str) -> None:
    """Replace the amphora of a load balancer by a new one on the same host."""
    _RENEW.run(tx, owner=loadbalancer_id, id=str(uuid.uuid4()), created_at=now())


def forget(tx: sa.Connection, loadbalancer_id: str) -> None:
    """Delete the amphora of a load balancer that has been deleted."""
    _FORGET.run(tx, owner=loadbalancer_id)


def amphora(tx: sa.Connection, loadbalancer_id: str) -> AmphoraRecord | None:
    """Return the amphora of a load balancer; None with a no-op provider, whose load balancers have none."""
    return by(AMPHORA, "loadbalancer_id").first(tx, loadbalancer_id=loadbalancer_id)
