"""Floating IPs: addresses of an external network that are associated with a port, usually that of a VIP."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from ...store.network_tables import FLOATING_IP, FLOATING_IP_PORT, PORT, delete_ports, device_id, unclaim
from .. import errors
from ..services import Services
from ..web.routing import Answer, Request
from . import addresses, bodies, objects, present, rows
from .attributes import FLOATING_IPS, NETWORKS, PORTS
from .bodies import Values, bad
from .claims import Claims

OF_A_LOAD_BALANCER = device_id("")


def create(services: Services, request: Request) -> Answer:
    """POST of one floating IP or of several."""
    return objects.create(FLOATING_IPS, partial(_add, services), present.floating_ips, _affected)(services, request)


def _add(services: Services, tx: sa.Connection, request: Request, values: Values) -> str:
    """Create a floating IP, associate it if the values name a port, and return its ID."""
    network = objects.existing(tx, NETWORKS, values["floating_network_id"], request.who)
    if not network.is_external:
        raise bad(f"Bad floatingip request: Network {network.id} is not a valid external network.", "BadRequest")
    row = _insert(tx, network.id, values, Claims(services, request.who.is_admin))
    _associate(tx, request, row, values)
    return str(row.id)


def _affected(tx: sa.Connection, ids: Sequence[str]) -> list[str]:
    """Return the IDs of the load balancers that these floating IPs are associated with."""
    return _load_balancers(tx, tx.scalars(sa.select(FLOATING_IP.c.port_id).where(FLOATING_IP.c.id.in_(ids))))


def _insert(tx: sa.Connection, network_id: str, values: Values, claims: Claims) -> Any:
    """Insert a floating IP without an association, and the port that holds its address; return its row."""
    id_ = str(uuid.uuid4())
    port_id = rows.new_port(tx, network_id, "", device_id=id_, device_owner=FLOATING_IP_PORT)
    wanted = values.get("floating_ip_address")
    subnet = _subnet(tx, network_id, values.get("subnet_id"), wanted, claims)
    address = addresses.take(tx, subnet, port_id, wanted, claims=claims, holder=id_)
    columns = objects.columns(FLOATING_IPS, values)
    columns |= {"floating_ip_address": address, "floating_port_id": port_id, "port_id": None, "fixed_ip_address": None}
    rows.new(tx, FLOATING_IP, id=id_, **columns)
    return _row(tx, id_)


def _subnet(tx: sa.Connection, network_id: str, subnet_id: str | None, wanted: str | None, claims: Claims) -> Any:
    subnets = [subnet for subnet in rows.subnets(tx, network_id) if subnet.ip_version == 4]
    if subnet_id is not None:
        subnets = [subnet for subnet in subnets if subnet.id == subnet_id]
    if wanted is not None:
        address = ipaddress.ip_address(wanted)
        subnets = [subnet for subnet in subnets if address in ipaddress.ip_network(subnet.cidr)]
    if not subnets:
        raise bad(
            f"Bad floatingip request: Network {network_id} does not contain a fitting IPv4 subnet.", kind="BadRequest"
        )
    return next((subnet for subnet in subnets if any(addresses.free_addresses(tx, subnet, claims))), subnets[0])


def update(services: Services, request: Request, id_: str) -> Answer:
    values = bodies.changed(FLOATING_IPS, request.body, request.who)
    with services.store.writing() as tx:
        row = objects.own(tx, FLOATING_IPS, id_, request.who, "update")
        led_to = _associate(tx, request, row, values)
        described = {name: values[name] for name in ("description",) if name in values}
        changed = objects.change(tx, FLOATING_IPS, _row(tx, id_), described)
        answer = Answer({"floatingip": present.floating_ips(tx, [changed])[0]})
        woken = _load_balancers(tx, [row.port_id, led_to])
    services.wake(woken)
    return answer


def _associate(tx: sa.Connection, request: Request, row: Any, values: Values) -> str | None:
    """Associate the floating IP as the values say; return the ID of its port afterwards, or None."""
    if "port_id" not in values and "fixed_ip_address" not in values:
        return row.port_id  # type: ignore[no-any-return]
    port_id = values.get("port_id", row.port_id)
    if port_id is None:
        if values.get("fixed_ip_address"):
            raise bad("Bad floatingip request: fixed_ip_address cannot be specified without a port_id.", "BadRequest")
        objects.change(tx, FLOATING_IPS, row, {"port_id": None, "fixed_ip_address": None})
        return None
    port = objects.existing(tx, PORTS, port_id, request.who)
    fixed = _fixed_ip(tx, port, values.get("fixed_ip_address"))
    _refuse_if_unreachable(row, port)
    _refuse_if_taken(tx, row, port, fixed)
    objects.change(tx, FLOATING_IPS, row, {"port_id": port.id, "fixed_ip_address": fixed})
    return port_id  # type: ignore[no-any-return]


def _fixed_ip(tx: sa.Connection, port: Any, wanted: str | None) -> str:
    held = [each.ip_address for each in rows.fixed_ips(tx, port.id) if ":" not in each.ip_address]
    if wanted is not None:
        if wanted not in held:
            raise bad(f"Bad floatingip request: Port {port.id} does not have fixed ip {wanted}.", "BadRequest")
        return wanted
    if not held:
        why = f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses."
        raise bad(f"Bad floatingip request: {why}", "BadRequest")
    if len(held) > 1:
        raise bad(
            f"Bad floatingip request: Port {port.id} has multiple fixed IPv4 addresses. "
            "Must provide a specific IPv4 address when assigning a floating IP.",
            "BadRequest",
        )
    return str(held[0])


def _refuse_if_unreachable(row: Any, port: Any) -> None:
    if port.network_id == row.floating_network_id or port.device_owner == FLOATING_IP_PORT:
        raise errors.NotFound(
            f"External network {row.floating_network_id} is not reachable from the network of port {port.id}. "
            f"Therefore, cannot associate Port {port.id} with a Floating IP.",
            kind="ExternalGatewayForFloatingIPNotFound",
        )


def _refuse_if_taken(tx: sa.Connection, row: Any, port: Any, fixed: str) -> None:
    same = (FLOATING_IP.c.port_id == port.id) & (FLOATING_IP.c.fixed_ip_address == fixed)
    if tx.scalar(sa.select(FLOATING_IP.c.id).where(same, FLOATING_IP.c.id != row.id)) is not None:
        raise errors.Conflict(
            f"Cannot associate floating IP {row.floating_ip_address} ({row.id}) with port {port.id} using fixed IP "
            f"{fixed}, as that fixed IP already has a floating IP on external network {row.floating_network_id}.",
            kind="FloatingIPPortAlreadyAssociated",
        )


def delete(services: Services, request: Request, id_: str) -> Answer:
    with services.store.writing() as tx:
        row = objects.own(tx, FLOATING_IPS, id_, request.who, "delete")
        woken = _load_balancers(tx, [row.port_id])
        tx.execute(sa.delete(FLOATING_IP).where(FLOATING_IP.c.id == id_))
        delete_ports(tx, [row.floating_port_id])
        unclaim(tx, id_)
    services.wake(woken)
    return Answer(status=204)


def _load_balancers(tx: sa.Connection, port_ids: Iterable[str | None]) -> list[str]:
    """Return the IDs of the load balancers that own these ports."""
    devices = tx.scalars(sa.select(PORT.c.device_id).where(PORT.c.id.in_([id_ for id_ in port_ids if id_])))
    return [device.removeprefix(OF_A_LOAD_BALANCER) for device in devices if device.startswith(OF_A_LOAD_BALANCER)]


def _row(tx: sa.Connection, id_: str) -> Any:
    return tx.execute(sa.select(FLOATING_IP).where(FLOATING_IP.c.id == id_)).one()
