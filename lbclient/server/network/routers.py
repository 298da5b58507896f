"""Routers, as data for clients: every external network reaches every port, with or without a router."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...store.network_tables import PORT, ROUTER, delete_ports
from .. import errors
from ..services import Services
from ..web.routing import Answer, Request
from . import addresses, bodies, gateways, objects, present, rows
from .attributes import PORTS, ROUTERS, SUBNETS
from .bodies import Values, bad
from .rows import ROUTER_PORT

GATEWAY = "external_gateway_info"


def add(tx: sa.Connection, request: Request, values: Values) -> str:
    """Create a router and return its ID."""
    given = values.pop(GATEWAY, None)
    id_ = rows.new(tx, ROUTER, **objects.columns(ROUTERS, values))
    if given:
        router = objects.existing(tx, ROUTERS, id_, request.who)
        gateway = gateways.connected(tx, request, router, given)
        tx.execute(sa.update(ROUTER).where(ROUTER.c.id == id_).values({GATEWAY: gateway}))
    return id_


def update(services: Services, request: Request, id_: str) -> Answer:
    values = bodies.changed(ROUTERS, request.body, request.who)
    with services.store.writing() as tx:
        row = objects.own(tx, ROUTERS, id_, request.who, "update")
        if GATEWAY in values:
            values[GATEWAY] = gateways.connected(tx, request, row, values[GATEWAY])
        changed = objects.change(tx, ROUTERS, row, objects.columns(ROUTERS, values))
        return Answer({"router": present.routers(tx, [changed])[0]})


def delete(services: Services, request: Request, id_: str) -> Answer:
    with services.store.writing() as tx:
        objects.own(tx, ROUTERS, id_, request.who, "delete")
        if tx.scalar(sa.select(PORT.c.id).where(_is_interface(id_)).limit(1)) is not None:
            raise errors.Conflict(f"Router {id_} still has ports", kind="RouterInUse")
        gateways.disconnect(tx, id_)
        tx.execute(sa.delete(ROUTER).where(ROUTER.c.id == id_))
    return Answer(status=204)


def _is_interface(router_id: str) -> sa.ColumnElement[bool]:
    return (PORT.c.device_id == router_id) & (PORT.c.device_owner == ROUTER_PORT)


def add_interface(services: Services, request: Request, id_: str) -> Answer:
    """PUT: connect the router to a subnet, as its gateway, or to a port."""
    asked = _asked(request.body)
    with services.store.writing() as tx:
        router = objects.own(tx, ROUTERS, id_, request.who, "add_router_interface")
        if "port_id" in asked:
            port_id = _use_port(tx, request, router, asked["port_id"])
        else:
            port_id = _make_port(tx, request, router, asked["subnet_id"])
        return Answer(_interface(tx, router, port_id))


def _asked(body: Any) -> dict[str, str]:
    """Return {"subnet_id": …} or {"port_id": …}, or both, from a body. Raises errors.BadRequest."""
    found = {name: body[name] for name in ("subnet_id", "port_id") if name in body} if isinstance(body, dict) else {}
    if not found:
        raise bad("Bad router request: Either subnet_id or port_id must be specified.", "BadRequest")
    for name, value in found.items():
        if not isinstance(value, str):
            raise bad(f"Invalid input for {name}. Reason: '{value}' is not a valid UUID.")
    return found


def _use_port(tx: sa.Connection, request: Request, router: Any, port_id: str) -> str:
    port = objects.own(tx, PORTS, port_id, request.who, "use")
    if port.device_id:
        raise errors.Conflict(f"Port {port.id} is already used by {port.device_id}.", kind="PortInUse")
    if not rows.fixed_ips(tx, port.id):
        raise bad(f"Bad router request: Port {port.id} has no fixed IP.", "BadRequest")
    used = {"device_id": router.id, "device_owner": ROUTER_PORT}
    tx.execute(sa.update(PORT).where(PORT.c.id == port.id).values(used))
    return str(port.id)


def _make_port(tx: sa.Connection, request: Request, router: Any, subnet_id: str) -> str:
    subnet = objects.existing(tx, SUBNETS, subnet_id, request.who)
    if subnet.gateway_ip is None:
        raise bad(f"Bad router request: Subnet {subnet.id} has no gateway IP.", "BadRequest")
    used = {"device_id": router.id, "device_owner": ROUTER_PORT}
    port_id = rows.new_port(tx, subnet.network_id, router.project_id, **used)
    addresses.take(tx, subnet, port_id, subnet.gateway_ip)
    return port_id


def remove_interface(services: Services, request: Request, id_: str) -> Answer:
    """PUT: disconnect the router from a subnet or a port."""
    asked = _asked(request.body)
    with services.store.writing() as tx:
        router = objects.own(tx, ROUTERS, id_, request.who, "remove_router_interface")
        for port in tx.execute(sa.select(PORT.c.id).where(_is_interface(id_))).all():
            subnets = {each.subnet_id for each in rows.fixed_ips(tx, port.id)}
            if asked.get("port_id", port.id) == port.id and asked.get("subnet_id", min(subnets)) in subnets:
                answer = Answer(_interface(tx, router, port.id))
                delete_ports(tx, [port.id])
                return answer
    what = asked.get("subnet_id") or asked["port_id"]
    raise errors.NotFound(f"Router {id_} has no interface on {what}.", kind="RouterInterfaceNotFound")


def _interface(tx: sa.Connection, router: Any, port_id: str) -> Values:
    port = tx.execute(sa.select(PORT).where(PORT.c.id == port_id)).one()
    subnets = [each.subnet_id for each in rows.fixed_ips(tx, port_id)]
    places = {"port_id": port_id, "network_id": port.network_id, "subnet_id": subnets[0], "subnet_ids": subnets}
    return {"id": router.id, "project_id": router.project_id, "tenant_id": router.project_id, "tags": [], **places}
