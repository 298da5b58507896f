"""The gateway of a router: an external network, and a port of the router with addresses in it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...store.network_tables import PORT, delete_ports
from ..attributes import Attribute, Type
from ..web.routing import Request
from . import bodies, objects, ports, rows
from .attributes import NETWORKS
from .bodies import Values, bad, disallowed
from .rows import ROUTER_GATEWAY

FIXED_IPS = Attribute("external_fixed_ips", Type.OBJECTS)
KNOWN = {"network_id", "enable_snat", FIXED_IPS.name}


def connected(tx: sa.Connection, request: Request, router: Any, given: Values | None) -> Values | None:
    """Connect a router to the given gateway and return the gateway's info; an empty one disconnects the router.

    Raises errors.BadRequest, errors.NotFound, errors.Forbidden and errors.Conflict.
    """
    if not given:
        disconnect(tx, router.id)
        return None
    unknown = sorted(given.keys() - KNOWN)
    if unknown:
        raise bad(f"Invalid input for external_gateway_info. Reason: unknown keys: {', '.join(unknown)}.")
    network = objects.existing(tx, NETWORKS, str(given.get("network_id")), request.who)
    if not network.is_external:
        raise bad(f"Bad router request: Network {network.id} is not an external network.", "BadRequest")
    is_snat = bodies.check_boolean(given.get("enable_snat", True), "enable_snat")
    asked = _asked(request, given)
    before = router.external_gateway_info or {}
    if asked is not None or before.get("network_id") != network.id:
        disconnect(tx, router.id)
        _take(tx, router.id, network.id, asked)
    return {"network_id": network.id, "enable_snat": is_snat, FIXED_IPS.name: _held(tx, router.id)}


def _asked(request: Request, given: Values) -> list[Values] | None:
    """Return the requested addresses of the gateway, which only admins may choose; None for any."""
    wanted = given.get(FIXED_IPS.name)
    if wanted is None:
        return None
    if not request.who.is_admin:
        raise disallowed(f"router:external_gateway_info:{FIXED_IPS.name}")
    asked: list[Values] = bodies.CHECKER.value(FIXED_IPS, wanted)
    return asked


def disconnect(tx: sa.Connection, router_id: str) -> None:
    """Delete the gateway port of a router and so free its addresses."""
    delete_ports(tx, list(tx.scalars(sa.select(PORT.c.id).where(_is_gateway(router_id)))))


def _take(tx: sa.Connection, router_id: str, network_id: str, asked: list[Values] | None) -> None:
    """Create the gateway port with its addresses; like a floating IP's port, it belongs to no project."""
    port_id = rows.new_port(tx, network_id, "", device_id=router_id, device_owner=ROUTER_GATEWAY)
    if asked:
        ports.take_asked(tx, network_id, port_id, asked)
    else:
        ports.take_any(tx, network_id, port_id)


def _held(tx: sa.Connection, router_id: str) -> list[Values]:
    port_id = tx.scalar(sa.select(PORT.c.id).where(_is_gateway(router_id)))
    return [{"subnet_id": each.subnet_id, "ip_address": each.ip_address} for each in rows.fixed_ips(tx, port_id or "")]


def _is_gateway(router_id: str) -> sa.ColumnElement[bool]:
    return (PORT.c.device_id == router_id) & (PORT.c.device_owner == ROUTER_GATEWAY)
