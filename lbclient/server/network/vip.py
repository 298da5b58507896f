"""Allocate the VIP of a load balancer in the transaction that creates the load balancer."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...store import engines
from ...store.network_tables import NETWORK, PORT, QOS_POLICY, SECURITY_GROUP, SUBNET, device_id, release
from .. import errors
from ..access.context import Context
from . import addresses, rows
from .claims import Claims

__all__ = [
    "NO_PLACE",
    "Vip",
    "allocate",
    "guard",
    "network_exists",
    "qos_policy_exists",
    "release",
    "security_group_exists",
    "subnet_exists",
]

DEVICE_OWNER = "Octavia"
NO_PLACE = "VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id."


@dataclass(frozen=True)
class Vip:
    """The address of a load balancer, and its port, subnet and network."""

    address: str
    port_id: str
    subnet_id: str
    network_id: str | None  # None: unknown


def allocate(
    tx: sa.Connection,
    *,
    loadbalancer_id: str,
    project_id: str,
    is_admin: bool,
    vip_address: str | None = None,
    vip_port_id: str | None = None,
    vip_subnet_id: str | None = None,
    vip_network_id: str | None = None,
    claims: Claims | None = None,
) -> Vip:
    """Return the requested VIP, an address of the given port or of a new one.

    With claims, the VIP carries traffic, and its address is claimed for this load balancer.

    Raises errors.ValidationFailure, errors.BadRequest and errors.Conflict.
    """
    who = _acting_for(project_id, is_admin)
    wanted = _canonical(vip_address)
    if vip_port_id:
        return _use_port(tx, loadbalancer_id, who, vip_port_id, vip_subnet_id, wanted, claims)
    if vip_network_id:
        subnet = _subnet_of_network(tx, who, vip_network_id, vip_subnet_id, wanted, claims)
    elif vip_subnet_id:
        subnet = _existing(tx, SUBNET, "Subnet", vip_subnet_id, who)
    else:
        raise errors.ValidationFailure(NO_PLACE)
    return _make_port(tx, loadbalancer_id, project_id, subnet, wanted, claims)


def subnet_exists(tx: sa.Connection, subnet_id: str, who: Context) -> bool:
    """Whether the subnet exists and the project may see it."""
    return rows.find(tx, SUBNET, subnet_id, who) is not None


def network_exists(tx: sa.Connection, network_id: str) -> bool:
    """Whether the network exists, in any project."""
    return tx.scalar(sa.select(NETWORK.c.id).where(NETWORK.c.id == network_id)) is not None


def qos_policy_exists(tx: sa.Connection, qos_policy_id: str, who: Context) -> bool:
    """Whether the QoS policy exists and the project may see it."""
    return rows.find(tx, QOS_POLICY, qos_policy_id, who) is not None


def security_group_exists(tx: sa.Connection, security_group_id: str, who: Context) -> bool:
    """Whether the security group exists and the project may see it."""
    return rows.find(tx, SECURITY_GROUP, security_group_id, who) is not None


def guard(tx: sa.Connection, loadbalancer_id: str, security_group_ids: list[str], qos_policy_id: str | None) -> None:
    """Set the security groups and the QoS policy of a load balancer's VIPs on its ports."""
    mine = PORT.c.device_id == device_id(loadbalancer_id)
    chosen = {"security_groups": security_group_ids, "qos_policy_id": qos_policy_id}
    tx.execute(sa.update(PORT).where(mine).values(chosen))


def _acting_for(project_id: str, is_admin: bool) -> Context:
    return Context(user_id="", project_id=project_id, roles=frozenset({"admin"} if is_admin else ()))


def _canonical(address: str | None) -> str | None:
    if not address:
        return None
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise errors.InvalidInput("vip_address", address, "Value should be IPv4 or IPv6 format") from None


def _existing(tx: sa.Connection, table: sa.Table, title: str, id_: str, who: Context) -> Any:
    row = rows.find(tx, table, id_, who)
    if row is None:
        raise errors.BadRequest(f"{title} {id_} not found.")
    return row


def _use_port(
    tx: sa.Connection,
    loadbalancer_id: str,
    who: Context,
    port_id: str,
    subnet_id: str | None,
    wanted: str | None,
    claims: Claims | None,
) -> Vip:
    engines.lock(tx, f"port {port_id}")
    port = _existing(tx, PORT, "Port", port_id, who)
    if port.device_id:
        raise errors.ValidationFailure(f"Port {port.id} is already used by device {port.device_id} ")
    if subnet_id:
        _existing(tx, SUBNET, "Subnet", subnet_id, who)
    held = _fixed_ip(rows.fixed_ips(tx, port.id), subnet_id, wanted)
    if claims:
        subnet = tx.execute(sa.select(SUBNET).where(SUBNET.c.id == held.subnet_id)).one()
        claims.take(tx, subnet, ipaddress.ip_address(held.ip_address), loadbalancer_id)
    used = {"device_id": device_id(loadbalancer_id), "device_owner": DEVICE_OWNER}
    tx.execute(sa.update(PORT).where(PORT.c.id == port.id).values(used))
    return Vip(held.ip_address, port.id, held.subnet_id, port.network_id)


def _fixed_ip(held: Sequence[Any], subnet_id: str | None, wanted: str | None) -> Any:
    fitting = [
        fixed_ip
        for fixed_ip in held
        if subnet_id in (None, fixed_ip.subnet_id) and wanted in (None, fixed_ip.ip_address)
    ]
    if not fitting and wanted:
        raise errors.ValidationFailure("Specified VIP address not found on the specified VIP port.")
    if not fitting or (len(fitting) > 1 and not subnet_id):
        raise errors.ValidationFailure(
            "VIP port's subnet could not be determined. Please specify either a VIP subnet or address."
        )
    return fitting[0]


def _subnet_of_network(
    tx: sa.Connection,
    who: Context,
    network_id: str,
    subnet_id: str | None,
    wanted: str | None,
    claims: Claims | None,
) -> Any:
    _existing(tx, NETWORK, "Network", network_id, who)
    subnets = rows.subnets(tx, network_id)
    if subnet_id:
        subnets = [subnet for subnet in subnets if subnet.id == subnet_id]
        if not subnets:
            raise errors.BadRequest(f"Subnet {subnet_id} not found.")
        return subnets[0]
    if not subnets:
        raise errors.ValidationFailure("Supplied network does not contain a subnet.")
    if wanted:
        return _subnet_with(subnets, wanted)
    # The first subnet with a free address, IPv4 before IPv6; if none has one, the first, where taking fails with why.
    subnets.sort(key=lambda subnet: subnet.ip_version)
    return next((subnet for subnet in subnets if any(addresses.free_addresses(tx, subnet, claims))), subnets[0])


def _subnet_with(subnets: Sequence[Any], wanted: str) -> Any:
    for subnet in subnets:
        if ipaddress.ip_address(wanted) in ipaddress.ip_network(subnet.cidr):
            return subnet
    raise errors.ValidationFailure("Supplied network does not contain a subnet for VIP address specified.")


def _make_port(
    tx: sa.Connection,
    loadbalancer_id: str,
    project_id: str,
    subnet: Any,
    wanted: str | None,
    claims: Claims | None,
) -> Vip:
    device = device_id(loadbalancer_id)
    port_id = rows.new_port(
        tx,
        subnet.network_id,
        project_id,
        name=f"octavia-{device}",
        device_id=device,
        device_owner=DEVICE_OWNER,
        is_vip=True,
    )
    address = addresses.take(tx, subnet, port_id, wanted, claims=claims, holder=loadbalancer_id)
    return Vip(address, port_id, subnet.id, subnet.network_id)
