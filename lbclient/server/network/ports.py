"""Ports, which hold addresses: created by users, or owned by a load balancer, a floating IP or a router."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ...store import admission
from ...store.network_tables import FIXED_IP, FLOATING_IP, FLOATING_IP_PORT, PORT, delete_ports, disassociate
from .. import errors
from ..services import Services
from ..web.routing import Answer, Request
from . import addresses, bodies, objects, present, rows, security_groups, unkept
from .attributes import NETWORKS, PORTS, QOS_POLICIES, SECURITY_GROUPS
from .bodies import Values, bad
from .rows import ROUTER_GATEWAY, ROUTER_PORT
from .vip import DEVICE_OWNER

KEPT = {"device_id", "device_owner", "fixed_ips"}  # fixed while a load balancer or a floating IP uses the port


def add(tx: sa.Connection, request: Request, values: Values) -> str:
    """Create a port with its addresses and return its ID."""
    network = objects.existing(tx, NETWORKS, values["network_id"], request.who)
    if values.get("security_groups") is None and values.get("port_security_enabled", True):
        values["security_groups"] = [security_groups.default_of(tx, values["project_id"])]
    _check_guards(tx, request, values)
    id_ = rows.new_port(tx, **objects.columns(PORTS, values))
    if "fixed_ips" in values:
        take_asked(tx, network.id, id_, values["fixed_ips"])
    else:
        take_any(tx, network.id, id_)
    return id_


def affected(tx: sa.Connection, ids: Sequence[str]) -> list[str]:
    """Return the IDs of the load balancers that admit clients by a security group of these ports."""
    groups = tx.scalars(sa.select(PORT.c.security_groups).where(PORT.c.id.in_(ids)))
    return admission.concerned(tx, [group for each in groups for group in each or ()])


def warnings(values: Values) -> list[str]:
    """Return the warnings about values of a port that have no effect, or less than in Neutron."""
    texts = {"qos_policy_id": unkept.OF_A_PORT, "security_groups": unkept.GROUPS_OF_A_PORT}
    return [text for name, text in texts.items() if values.get(name)]


def _check_guards(tx: sa.Connection, request: Request, values: Values) -> None:
    """Check that the security groups and the QoS policy of a port exist. Raises errors.NotFound."""
    if values.get("security_groups", []) is None:
        values["security_groups"] = []
    for group in values.get("security_groups", ()):
        objects.existing(tx, SECURITY_GROUPS, group, request.who)
    if values.get("qos_policy_id"):
        objects.existing(tx, QOS_POLICIES, values["qos_policy_id"], request.who)


def take_any(tx: sa.Connection, network_id: str, port_id: str) -> None:
    """Give a port one free address of each IP version that the network has."""
    subnets = rows.subnets(tx, network_id)
    for version in sorted({subnet.ip_version for subnet in subnets}):
        fitting = [subnet for subnet in subnets if subnet.ip_version == version]
        free = next((subnet for subnet in fitting if any(addresses.free_addresses(tx, subnet))), fitting[0])
        addresses.take(tx, free, port_id, position=version)


def take_asked(tx: sa.Connection, network_id: str, port_id: str, fixed_ips: list[Values]) -> None:
    """Give a port the addresses that fixed_ips requests."""
    subnets = rows.subnets(tx, network_id)
    for position, fixed_ip in enumerate(fixed_ips):
        subnet, address = _place(subnets, network_id, fixed_ip)
        addresses.take(tx, subnet, port_id, address, position)


def _place(subnets: list[Any], network_id: str, fixed_ip: Values) -> tuple[Any, str | None]:
    """Return the subnet and the address (None for any) that one of the fixed_ips requests. Raises errors.BadRequest."""
    unknown = sorted(set(fixed_ip) - {"subnet_id", "ip_address"})
    if unknown or not fixed_ip:
        raise bad(f"Invalid input for fixed_ips. Reason: '{fixed_ip}' needs subnet_id or ip_address, and nothing else.")
    address = _address(fixed_ip.get("ip_address"))
    for subnet in subnets:
        is_inside = address is None or ipaddress.ip_address(address) in ipaddress.ip_network(subnet.cidr)
        if fixed_ip.get("subnet_id") == subnet.id or (fixed_ip.get("subnet_id") is None and is_inside):
            return subnet, address
    if fixed_ip.get("subnet_id") is None:
        why = f"IP address {address} is not a valid IP for any of the subnets on the specified network."
        raise bad(why, "InvalidIpForNetwork")
    raise bad(
        f"Invalid input for operation: Failed to create port on network {network_id}, "
        f"because fixed_ips included invalid subnet {fixed_ip['subnet_id']}.",
        "InvalidInput",
    )


def _address(given: str | None) -> str | None:
    try:
        return None if given is None else str(ipaddress.ip_address(given))
    except ValueError:
        raise bad(f"Invalid input for fixed_ips. Reason: '{given}' is not a valid IP address.") from None


def update(services: Services, request: Request, id_: str) -> Answer:
    values = bodies.changed(PORTS, request.body, request.who)
    asked = warnings(values)
    with services.store.writing() as tx:
        row = objects.own(tx, PORTS, id_, request.who, "update")
        for name in _unchanged(tx, row, values):
            del values[name]
        if KEPT & set(values):
            _refuse_if_used(tx, row)
        _check_guards(tx, request, values)
        if "fixed_ips" in values:
            tx.execute(sa.delete(FIXED_IP).where(FIXED_IP.c.port_id == id_))
            take_asked(tx, row.network_id, id_, values["fixed_ips"])
        woken = affected(tx, [id_]) if {"security_groups", "fixed_ips"} & set(values) else []
        changed = objects.change(tx, PORTS, row, objects.columns(PORTS, values))
        woken += affected(tx, [id_]) if woken or "security_groups" in values else []
        answer = Answer({"port": present.ports(tx, [changed])[0]}, headers=unkept.warning(*asked))
    services.wake(woken)
    return answer


def _unchanged(tx: sa.Connection, port: Any, values: Values) -> set[str]:
    """Return the names in KEPT whose values do not change: clients often send the current ones again."""
    same = {name for name in KEPT & set(values) - {"fixed_ips"} if values[name] == getattr(port, name)}
    if "fixed_ips" in values:
        subnets = rows.subnets(tx, port.network_id)
        asked = [_place(subnets, port.network_id, fixed_ip) for fixed_ip in values["fixed_ips"]]
        held = [(fixed_ip.subnet_id, fixed_ip.ip_address) for fixed_ip in rows.fixed_ips(tx, port.id)]
        if sorted(held) == sorted((subnet.id, address or "") for subnet, address in asked):
            same.add("fixed_ips")
    return same


def _refuse_if_used(tx: sa.Connection, port: Any) -> None:
    _refuse_if_served(port, "updated")
    if tx.scalar(sa.select(FLOATING_IP.c.id).where(FLOATING_IP.c.port_id == port.id).limit(1)) is not None:
        raise errors.Conflict(f"Port {port.id} is in use by a floating IP.", kind="PortInUse")


def _refuse_if_served(port: Any, done: str) -> None:
    if port.device_owner in (DEVICE_OWNER, FLOATING_IP_PORT, ROUTER_GATEWAY, ROUTER_PORT):
        raise errors.Conflict(
            f"Port {port.id} cannot be {done} directly via the port API: has device owner {port.device_owner}.",
            kind="ServicePortInUse",
        )


def delete(services: Services, request: Request, id_: str) -> Answer:
    with services.store.writing() as tx:
        _refuse_if_served(objects.own(tx, PORTS, id_, request.who, "delete"), "deleted")
        woken = affected(tx, [id_])
        disassociate(tx, [id_])
        delete_ports(tx, [id_])
    services.wake(woken)
    return Answer(status=204)
