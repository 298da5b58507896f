"""Addresses of a subnet: allocation pools, free addresses, and the allocation of an address to a port."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ...store.network_tables import ADDRESS_CLAIM, FIXED_IP, SUBNET, claim_key
from .. import errors
from ..address_blocks import Address as Address
from ..address_blocks import Network as Network

if TYPE_CHECKING:
    from .claims import Claims

Pool = dict[str, str]  # {"start": address, "end": address}, both inclusive
MOST_LOOKED_AT = 1000  # free addresses of a pool that are tried before it counts as exhausted


def sort_key(address: Address) -> str:
    return f"{int(address):032x}"


def pools(cidr: Network, gateway: Address | None) -> list[Pool]:
    """Return the default allocation pools of a subnet: all but its gateway, network and broadcast addresses."""
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    if cidr.num_addresses > 2:
        first += 1
        last -= cidr.version == 4
    gap = int(gateway) if gateway is not None and first <= int(gateway) <= last else last + 1
    kind = type(cidr.network_address)
    spans = ((first, gap - 1), (gap + 1, last))
    return [{"start": str(kind(start)), "end": str(kind(end))} for start, end in spans if start <= end]


def is_usable(address: Address, cidr: Network) -> bool:
    """Whether a port of the subnet may have the address: not the network address, nor the broadcast one of IPv4."""
    if address not in cidr:
        return False
    if cidr.num_addresses <= 2:
        return True
    return address != cidr.network_address and (cidr.version == 6 or address != cidr.broadcast_address)


def take(
    tx: sa.Connection,
    subnet: Any,
    port_id: str,
    wanted: str | None = None,
    position: int = 0,
    claims: Claims | None = None,
    holder: str = "",
) -> str:
    """Allocate an address of a subnet to a port and return it: the wanted one, or the next free one of the pools.

    With claims, the address must be allowed to carry traffic, and it is claimed for the holder. Raises
    errors.BadRequest and errors.Conflict.
    """
    # On PostgreSQL, concurrent transactions could choose the same address; SQLite has one writer at a time.
    tx.execute(sa.select(SUBNET.c.id).where(SUBNET.c.id == subnet.id).with_for_update())
    address = _wanted(tx, subnet, wanted) if wanted is not None else _next_free(tx, subnet, claims)
    if claims:
        claims.take(tx, subnet, address, holder)
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


def _next_free(tx: sa.Connection, subnet: Any, claims: Claims | None) -> Address:
    refusals: list[str] = []
    free = next(free_addresses(tx, subnet, claims, refusals), None)
    if free is None and refusals:
        raise errors.BadRequest(refusals[0], kind="IpAddressNotAllowed")
    if free is None:
        why = (
            f"No more IP addresses available on network {subnet.network_id}: all {_size(subnet)} of subnet {subnet.id} "
            f"({subnet.cidr}) are taken. Delete what is not needed, or use another subnet."
        )
        raise errors.Conflict(why, kind="IpAddressGenerationFailure")
    return free


def _size(subnet: Any) -> int:
    """Return how many addresses the allocation pools of a subnet have."""
    bounds = [
        (ipaddress.ip_address(each["start"]), ipaddress.ip_address(each["end"])) for each in subnet.allocation_pools
    ]
    return sum(int(end) - int(start) + 1 for start, end in bounds)


def free_addresses(
    tx: sa.Connection, subnet: Any, claims: Claims | None = None, refusals: list[str] | None = None
) -> Iterator[Address]:
    """Yield free addresses of a subnet, at most one for each allocation pool.

    With claims, only addresses that may carry traffic; the reasons against others are appended to `refusals`.
    """
    refusals = [] if refusals is None else refusals
    for pool in subnet.allocation_pools:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        for number in itertools.islice(_free_in_pool(tx, subnet.id, start, end, claims), MOST_LOOKED_AT):
            address = type(start)(number)
            refusal = claims.refusal(subnet, address) if claims else None
            if refusal is None:
                yield address
                break
            refusals.append(refusal)


def _free_in_pool(
    tx: sa.Connection, subnet_id: str, start: Address, end: Address, claims: Claims | None
) -> Iterator[int]:
    """Yield the free addresses above the highest allocated one, then those in the gaps, which are read only then."""
    spans = [(FIXED_IP.c.sort_key, (FIXED_IP.c.subnet_id == subnet_id), sort_key)]
    if claims:
        spans.append((ADDRESS_CLAIM.c.key, sa.true(), claim_key))
    first, last = int(start), int(end)
    highest = first - 1
    for key, condition, of in spans:
        found = tx.scalar(sa.select(sa.func.max(key)).where(condition, key.between(of(start), of(end))))
        highest = max(highest, int(found[-32:], 16) if found else highest)
    occupied = {int(each) for each in claims.occupied(tx) if each.version == start.version} if claims else set()
    yield from (number for number in range(highest + 1, last + 1) if number not in occupied)
    held = set(occupied)
    for key, condition, of in spans:
        held |= {int(v[-32:], 16) for v in tx.scalars(sa.select(key).where(condition, key.between(of(start), of(end))))}
    yield from (number for number in range(first, highest) if number not in held)
