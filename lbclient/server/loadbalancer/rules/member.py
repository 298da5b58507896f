"""Validation rules for the members of a pool, with Octavia's error texts."""

from __future__ import annotations

import ipaddress
from typing import Any

import sqlalchemy as sa

from ....store import addresses
from ....store.prepared import by
from ....store.tables import MEMBER
from ... import address_blocks
from ...address_blocks import Address
from ...errors import Conflict, ValidationFailure
from ...services import Services

Values = dict[str, Any]
Place = tuple[str, int]  # canonical address and port


def check(tx: sa.Connection, pool_id: str, values: Values) -> None:
    """Check that the pool has no other member with this address and port. Raises Conflict."""
    address = addresses.canonical(values["address"])
    place = {"pool_id": pool_id, "address_canonical": address, "protocol_port": values["protocol_port"]}
    if by(MEMBER, *place).first(tx, **place):
        raise taken(values["address"], values["protocol_port"])


def places(tx: sa.Connection, pool_id: str) -> set[Place]:
    """Return the addresses and ports of all members of a pool."""
    return {(each.address_canonical, each.protocol_port) for each in by(MEMBER, "pool_id").all(tx, pool_id=pool_id)}


def take(taken_places: set[Place], values: Values) -> None:
    """Add the address and port of a new member to those that are taken. Raises Conflict if it is one of them."""
    place = addresses.canonical(values["address"]), values["protocol_port"]
    if place in taken_places:
        raise taken(values["address"], values["protocol_port"])
    taken_places.add(place)


def check_addresses(services: Services, values: Values) -> None:
    """Check that a member's address and monitor address are not reserved, such as those of a metadata service.

    Raises ValidationFailure.
    """
    for name in ("address", "monitor_address"):
        if values.get(name):
            address = ipaddress.ip_address(values[name])
            meaning = _forbidden(services, address)
            if meaning:
                raise ValidationFailure(
                    f"{name}: {values[name]} is reserved and cannot be a member's: it is {meaning}."
                )


def _forbidden(services: Services, address: Address) -> str | None:
    """Return what the address, or an IPv4 address embedded in it, stands for; None if members may have it."""
    meant = tuple(address_blocks.meant(address))
    if any(each in address_blocks.METADATA for each in meant):
        return address_blocks.METADATA.meaning
    if not services.config.takes_addresses or any(
        address_blocks.is_within(each, services.config.member_ranges) for each in meant
    ):
        return None
    block = address_blocks.special(address)
    if block is not None:
        return block.meaning
    own = set(map(ipaddress.ip_address, services.dataplane.own_addresses()))
    return "this machine's own" if own & set(meant) else None


def taken(address: str, port: int) -> Conflict:
    return Conflict(f"Another member on this pool is already using ip {address} on protocol_port {port}")
