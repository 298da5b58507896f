"""Create, update and delete networks."""

from __future__ import annotations

import sqlalchemy as sa

from ...store.network_tables import NETWORK, PORT, SUBNET
from .. import errors
from ..services import Services
from ..web.routing import Answer, Request
from . import bodies, objects, present, rows
from .attributes import NETWORKS
from .bodies import Values


def add(tx: sa.Connection, request: Request, values: Values) -> str:
    """Create a network and return its ID."""
    return rows.new(tx, NETWORK, **objects.columns(NETWORKS, values))


def update(services: Services, request: Request, id_: str) -> Answer:
    values = objects.columns(NETWORKS, bodies.changed(NETWORKS, request.body, request.who))
    with services.store.writing() as tx:
        row = objects.own(tx, NETWORKS, id_, request.who, "update")
        if values.get("shared") or values.get("is_external"):  # only admins may set these
            tx.execute(sa.update(SUBNET).where(SUBNET.c.network_id == id_).values(is_vouched=True))
        return Answer({"network": present.networks(tx, [objects.change(tx, NETWORKS, row, values)])[0]})


def delete(services: Services, request: Request, id_: str) -> Answer:
    """DELETE of a network and its subnets; Conflict while it has ports."""
    with services.store.writing() as tx:
        objects.own(tx, NETWORKS, id_, request.who, "delete")
        if tx.scalar(sa.select(PORT.c.id).where(PORT.c.network_id == id_).limit(1)) is not None:
            raise errors.Conflict(
                f"Unable to complete operation on network {id_}. "
                "There are one or more ports still in use on the network.",
                kind="NetworkInUse",
            )
        tx.execute(sa.delete(SUBNET).where(SUBNET.c.network_id == id_))
        tx.execute(sa.delete(NETWORK).where(NETWORK.c.id == id_))
    return Answer(status=204)
