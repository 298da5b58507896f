"""Create, update and delete subnets, and check that their addresses are consistent."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ...store.network_tables import FIXED_IP, SUBNET
from .. import errors
from ..services import Services
from ..web.routing import Answer, Request
from . import addresses, bodies, objects, present, rows
from .addresses import Network
from .attributes import NETWORKS, SUBNETS
from .bodies import Values, bad


def add(tx: sa.Connection, request: Request, values: Values) -> str:
    """Create a subnet of a network and return its ID."""
    values = _completed(values)
    network = objects.own(tx, NETWORKS, values["network_id"], request.who, "create_subnet_in")
    _refuse_overlap(values, rows.subnets(tx, network.id))
    return rows.new(tx, SUBNET, **objects.columns(SUBNETS, values), is_vouched=request.who.is_admin)


def _completed(values: Values) -> Values:
    """Return the values completed with a default gateway and default allocation pools. Raises errors.BadRequest."""
    cidr = ipaddress.ip_network(values["cidr"])
    if values.setdefault("ip_version", cidr.version) != cidr.version:
        raise _invalid(f"cidr {cidr} is not of IP version {values['ip_version']}.")
    if "gateway_ip" not in values:
        values["gateway_ip"] = str(cidr[1] if cidr.num_addresses > 1 else cidr[0])
    gateway = ipaddress.ip_address(values["gateway_ip"]) if values["gateway_ip"] else None
    if gateway is not None and gateway.version != cidr.version:
        raise _invalid(f"gateway_ip {gateway} is not of IP version {cidr.version}.")
    if not values.get("allocation_pools"):
        values["allocation_pools"] = addresses.pools(cidr, gateway)
    _check_pools(values["allocation_pools"], cidr, values["gateway_ip"])
    return values


def _check_pools(pools: Sequence[addresses.Pool], cidr: Network, gateway: str | None) -> None:
    """Check that each pool is within the subnet, and that none overlaps another one or has the gateway.

    Raises errors.BadRequest and errors.Conflict.
    """
    spans = []
    for pool in pools:
        start, end = (ipaddress.ip_address(pool[name]) for name in ("start", "end"))
        span = f"{start}-{end}"
        if start.version != end.version or int(start) > int(end):
            raise bad(f"The allocation pool {span} is not valid.", "InvalidAllocationPool")
        if not (addresses.is_usable(start, cidr) and addresses.is_usable(end, cidr)):
            raise bad(f"The allocation pool {span} spans beyond the subnet cidr {cidr}.", "OutOfBoundsAllocationPool")
        if gateway and int(start) <= int(ipaddress.ip_address(gateway)) <= int(end):
            why = f"Gateway ip {gateway} conflicts with allocation pool {span}."
            raise errors.Conflict(why, kind="GatewayConflictWithAllocationPools")
        spans.append((int(start), int(end), span))
    spans.sort()
    for (_, end_of_one, one), (start_of_other, _, other) in itertools.pairwise(spans):
        if start_of_other <= end_of_one:
            why = f"Found overlapping allocation pools: {one} {other} for subnet {cidr}."
            raise errors.Conflict(why, kind="OverlappingAllocationPools")


def _refuse_overlap(values: Values, others: Sequence[Any]) -> None:
    cidr = ipaddress.ip_network(values["cidr"])
    for other in others:
        known = ipaddress.ip_network(other.cidr)
        if known.version == cidr.version and known.overlaps(cidr):
            raise _invalid(
                f"Requested subnet with cidr: {cidr} for network: {values['network_id']} overlaps with another subnet."
            )


def _invalid(why: str) -> errors.BadRequest:
    return bad(f"Invalid input for operation: {why}", "InvalidInput")


def update(services: Services, request: Request, id_: str) -> Answer:
    values = bodies.changed(SUBNETS, request.body, request.who)
    with services.store.writing() as tx:
        row = objects.own(tx, SUBNETS, id_, request.who, "update")
        after = {**row._mapping, **values}
        cidr = ipaddress.ip_network(row.cidr)
        if after["gateway_ip"] and ipaddress.ip_address(after["gateway_ip"]).version != cidr.version:
            raise _invalid(f"gateway_ip {after['gateway_ip']} is not of IP version {cidr.version}.")
        _check_pools(after["allocation_pools"], cidr, after["gateway_ip"])
        changed = objects.change(tx, SUBNETS, row, objects.columns(SUBNETS, values))
        return Answer({"subnet": present.subnets(tx, [changed])[0]})


def delete(services: Services, request: Request, id_: str) -> Answer:
    with services.store.writing() as tx:
        objects.own(tx, SUBNETS, id_, request.who, "delete")
        if tx.scalar(sa.select(FIXED_IP.c.port_id).where(FIXED_IP.c.subnet_id == id_).limit(1)) is not None:
            raise errors.Conflict(
                f"Unable to complete operation on subnet {id_}: "
                "One or more ports have an IP allocation from this subnet.",
                kind="SubnetInUse",
            )
        tx.execute(sa.delete(SUBNET).where(SUBNET.c.id == id_))
    return Answer(status=204)
