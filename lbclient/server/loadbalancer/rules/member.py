"""Validation rules for the members of a pool, with Octavia's error texts."""

from __future__ import annotations

import ipaddress
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from ....store import addresses
from ....store.prepared import Prepared, by
from ....store.tables import MEMBER
from ... import address_blocks
from ...address_blocks import Address
from ...errors import Conflict, ValidationFailure
from ...services import Services

Values = dict[str, Any]
Place = tuple[str, int]  # canonical address and port

_PLACES = Prepared(
    sa.select(MEMBER.c.address_canonical, MEMBER.c.protocol_port).where(MEMBER.c.pool_id == sa.bindparam("pool_id"))
)


def check(tx: sa.Connection, pool_id: str, values: Values) -> None:
    """Check that the pool has no other member with this address and port. Raises Conflict."""
    address = addresses.canonical(values["address"])
    place = {"pool_id": pool_id, "address_canonical": address, "protocol_port": values["protocol_port"]}
    if by(MEMBER, *place).first(tx, **place):
        raise taken(values["address"], values["protocol_port"])


def places(tx: sa.Connection, pool_id: str) -> set[Place]:
    """Return the addresses and ports of all members of a pool."""
    return {(each.address_canonical, each.protocol_port) for each in _PLACES.all(tx, pool_id=pool_id)}


def take(taken_places: set[Place], values: Values) -> None:
    """Add the address and port of a drafted member to those that are taken. Raises Conflict if it is one of them."""
    place = values["address_canonical"], values["protocol_port"]
    if place in taken_places:
        raise taken(values["address"], values["protocol_port"])
    taken_places.add(place)


def check_addresses(services: Services, values: Values) -> None:
    """Check one member like Allowed.check(). Raises ValidationFailure."""
    Allowed(services).check(values)


class Allowed:
    """The addresses that the members of one request may have; those of this machine are looked up once, if at all."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def check(self, values: Values) -> None:
        """Check that a member's address and monitor address are not reserved: those of metadata services, and others.

        Raises ValidationFailure.
        """
        for name in ("address", "monitor_address"):
            if values.get(name):
                meaning = self._forbidden(ipaddress.ip_address(values[name]))
                if meaning:
                    raise ValidationFailure(
                        f"{name}: {values[name]} is reserved and cannot be a member's: it is {meaning}."
                    )

    def _forbidden(self, address: Address) -> str | None:
        """Return what the address, or an IPv4 address embedded in it, stands for; None if members may have it."""
        config = self._services.config
        meant = tuple(address_blocks.meant(address))
        # HAProxy takes an unspecified address for the one that the client asked for: it would connect to itself.
        for block in (address_blocks.METADATA, address_blocks.UNSPECIFIED):
            if any(each in block for each in meant):
                return block.meaning
        if not config.takes_addresses or any(address_blocks.is_within(each, config.member_ranges) for each in meant):
            return None
        special = address_blocks.special(address)
        if special is not None:
            return special.meaning
        return "this machine's own" if not self._own.isdisjoint(meant) else None

    @cached_property
    def _own(self) -> frozenset[Address]:
        return frozenset(map(ipaddress.ip_address, self._services.dataplane.own_addresses()))


def taken(address: str, port: int) -> Conflict:
    return Conflict(f"Another member on this pool is already using ip {address} on protocol_port {port}")
