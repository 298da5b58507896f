"""Addresses of a subnet: which it has, which are free, and taking one so that nobody else gets it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from ...store.network_tables import FIXED_IP, SUBNET
from .. import errors

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Pool = dict[str, str]  # {"start": address, "end": address}, both of them in it


def sort_key(address: Address) -> str:
    return f"{int(address):032x}"


def pools(cidr: Network, gateway: Address | None) -> list[Pool]:
    """All of a subnet but its gateway, its own address and its broadcast address."""
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    if cidr.num_addresses > 2:
        first += 1
        last -= cidr.version == 4
    gap = int(gateway) if gateway is not None and first <= int(gateway) <= last else last + 1
    kind = type(cidr.network_address)
    spans = ((first, gap - 1), (gap + 1, last))
    return [{"start": str(kind(start)), "end": str(kind(end))} for start, end in spans if start <= end]


def is_usable(address: Address, cidr: Network) -> bool:
    """Whether a port may have the address: IPv4 keeps a subnet's first and last one for itself."""
    if address not in cidr:
        return False
    if cidr.num_addresses <= 2:
        return True
    return address != cidr.network_address and (cidr.version == 6 or address != cidr.broadcast_address)


def take(tx: sa.Connection, subnet: Any, port_id: str, wanted: str | None = None, position: int = 0) -> str:
    """Give a port an address of a subnet, the wanted one or the next free one of its allocation pools."""
    # Two transactions on PostgreSQL would choose the same address; SQLite lets one write at a time.
    tx.execute(sa.select(SUBNET.c.id).where(SUBNET.c.id == subnet.id).with_for_update())
    address = _wanted(tx, subnet, wanted) if wanted is not None else _next_free(tx, subnet)
    row = {"subnet_id": subnet.id, "ip_address": str(address), "sort_key": sort_key(address)}
    tx.execute(sa.insert(FIXED_IP).values(port_id=port_id, position=position, **row))
    return str(address)


def _wanted(tx: sa.Connection, subnet: Any, wanted: str) -> Address:
    address = ipaddress.ip_address(wanted)
    if not is_usable(address, ipaddress.ip_network(subnet.cidr)):
        why = f"IP address {address} is not a valid IP for the specified subnet."
        raise errors.BadRequest(why, kind="InvalidIpForSubnet")
    is_taken = (FIXED_IP.c.subnet_id == subnet.id) & (FIXED_IP.c.ip_address == str(address))
    if tx.scalar(sa.select(FIXED_IP.c.port_id).where(is_taken)) is not None:
        why = f"IP address {address} already allocated in subnet {subnet.id}"
        raise errors.Conflict(why, kind="IpAddressAlreadyAllocated")
    return address


def _next_free(tx: sa.Connection, subnet: Any) -> Address:
    free = next(free_addresses(tx, subnet), None)
    if free is None:
        why = (
            f"No more IP addresses available on network {subnet.network_id}: all {_size(subnet)} of subnet {subnet.id} "
            f"({subnet.cidr}) are taken. Delete what is not needed, or use another subnet."
        )
        raise errors.Conflict(why, kind="IpAddressGenerationFailure")
    return free


def _size(subnet: Any) -> int:
    """How many addresses the allocation pools of a subnet have."""
    bounds = [
        (ipaddress.ip_address(each["start"]), ipaddress.ip_address(each["end"])) for each in subnet.allocation_pools
    ]
    return sum(int(end) - int(start) + 1 for start, end in bounds)


def free_addresses(tx: sa.Connection, subnet: Any) -> Iterator[Address]:
    """What the allocation pools of a subnet still have, one of each pool at most."""
    for pool in subnet.allocation_pools:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        free = _free_in_pool(tx, subnet.id, int(start), int(end))
        if free is not None:
            yield type(start)(free)


def _free_in_pool(tx: sa.Connection, subnet_id: str, start: int, end: int) -> int | None:
    key = FIXED_IP.c.sort_key
    taken = (FIXED_IP.c.subnet_id == subnet_id) & key.between(f"{start:032x}", f"{end:032x}")
    highest = tx.scalar(sa.select(sa.func.max(key)).where(taken))
    if highest is None:
        return start
    if int(highest, 16) < end:  # one look into the index; gaps are searched only when the end has been reached
        return int(highest, 16) + 1
    held = {int(value, 16) for value in tx.scalars(sa.select(key).where(taken))}
    return next((number for number in range(start, end + 1) if number not in held), None)
