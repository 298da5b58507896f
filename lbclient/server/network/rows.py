"""Insert and find rows of the network API, restricted to those that a project may see."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

import sqlalchemy as sa

from ...store import serials, times
from ...store.network_tables import FIXED_IP, FLOATING_IP_PORT, NETWORK, PORT, QOS_POLICY, SUBNET
from ..access.context import Context

ROUTER_PORT = "network:router_interface"  # the device_owner of a router's port in a subnet
ROUTER_GATEWAY = "network:router_gateway"  # … and of its port in an external network


def now() -> str:
    """Return the current time in UTC, to the second, in the format of the network API."""
    return f"{times.now()}Z"


def new(tx: sa.Connection, table: sa.Table, project_id: str, **values: Any) -> str:
    """Insert a row with a new ID, which is returned, and current timestamps."""
    id_ = str(uuid.uuid4())
    stamps = {"serial": serials.of_row(tx), "created_at": now(), "updated_at": now()}
    tx.execute(sa.insert(table).values({"id": id_, "project_id": project_id, **stamps, **values}))
    return id_


def is_visible(table: sa.Table, who: Context) -> sa.ColumnElement[bool]:
    """The condition that a project may see a row: its own, shared ones, external networks and their subnets."""
    if who.is_admin:
        return sa.true()
    own = table.c.project_id == (who.project_id or "")
    if table is NETWORK:
        return own | NETWORK.c.shared | NETWORK.c.is_external
    if table is SUBNET:
        open_networks = sa.select(NETWORK.c.id).where(
            (NETWORK.c.project_id == (who.project_id or "")) | NETWORK.c.shared | NETWORK.c.is_external
        )
        return own | SUBNET.c.network_id.in_(open_networks)
    if table is QOS_POLICY:
        return own | QOS_POLICY.c.shared
    if table is PORT:
        return own & (PORT.c.device_owner != FLOATING_IP_PORT)
    return own


def find(tx: sa.Connection, table: sa.Table, id_: str | None, who: Context) -> Any:
    """Return the row; None if it does not exist or the project may not see it."""
    return tx.execute(sa.select(table).where(table.c.id == id_, is_visible(table, who))).one_or_none()


def subnets(tx: sa.Connection, network_id: str) -> list[Any]:
    """Return the subnets of a network in the order of their creation."""
    return list(tx.execute(sa.select(SUBNET).where(SUBNET.c.network_id == network_id).order_by(SUBNET.c.serial)))


def fixed_ips(tx: sa.Connection, port_id: str) -> list[Any]:
    """Return the addresses of a port in the order of their positions."""
    return list(tx.execute(sa.select(FIXED_IP).where(FIXED_IP.c.port_id == port_id).order_by(FIXED_IP.c.position)))


def new_port(tx: sa.Connection, network_id: str, project_id: str, **values: Any) -> str:
    """Create a port without an address and return its ID."""
    values.setdefault("mac_address", _free_mac(tx, network_id))
    return new(tx, PORT, project_id, network_id=network_id, **values)


def _free_mac(tx: sa.Connection, network_id: str) -> str:
    while True:
        mac = ":".join(["fa:16:3e", *(f"{byte:02x}" for byte in secrets.token_bytes(3))])
        if tx.scalar(sa.select(PORT.c.id).where(PORT.c.network_id == network_id, PORT.c.mac_address == mac)) is None:
            return mac
