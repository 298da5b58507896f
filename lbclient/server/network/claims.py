"""Claims on addresses that carry traffic: each address has at most one holder, across all networks."""

from __future__ import annotations

import ipaddress
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from ...store import engines
from ...store.network_tables import ADDRESS_CLAIM, claim_key
from ...store.tables import MEMBER
from .. import address_blocks, errors
from ..address_blocks import Address
from ..services import Services


def lock_addresses(tx: sa.Connection) -> None:
    """Let no other transaction claim addresses until this one has ended."""
    engines.lock(tx, "addresses")


class Claims:
    """Checks and takes claims on addresses, for one request of an admin or of another user."""

    def __init__(self, services: Services, is_admin: bool) -> None:
        self._services = services
        self._ranges = services.config.ranges
        self._is_admin = is_admin

    def take(self, tx: sa.Connection, subnet: Any, address: Address, holder: str) -> None:
        """Claim an address of a subnet for a load balancer or a floating IP, the holder, by its ID.

        Raises errors.BadRequest if the address may not carry traffic, errors.Conflict if it is in use, and Unprobed
        if that is not known.
        """
        refusal = self.refusal(subnet, address)
        if refusal:
            raise errors.BadRequest(refusal, kind="IpAddressNotAllowed")
        key = claim_key(address)
        if tx.scalar(sa.select(ADDRESS_CLAIM.c.holder).where(ADDRESS_CLAIM.c.key == key)) is not None:
            why = f"IP address {address} is in use by another load balancer or floating IP."
            raise errors.Conflict(why, kind="IpAddressInUse")
        answered = self._services.probes.refusal(address) if self._services.config.takes_addresses else None
        if answered:
            raise errors.Conflict(answered, kind="IpAddressInUse")
        if address in self.occupied(tx):
            raise errors.Conflict(f"IP address {address} is in use by another machine.", kind="IpAddressInUse")
        tx.execute(sa.insert(ADDRESS_CLAIM).values(key=key, address=str(address), holder=holder))

    def refusal(self, subnet: Any, address: Address) -> str | None:
        """Return why an address of a subnet may not carry traffic; None if it may."""
        text = f"IP address {address} cannot be a VIP or a floating IP"
        block = address_blocks.special(address)
        if block is not None and not (block.is_usable and address_blocks.is_named(address, block, self._ranges)):
            return f"{text}: it is {block.meaning}."
        if address in self._own and not any(
            network.num_addresses == 1 and address in network for network in self._ranges
        ):
            return f"{text}: it is this machine's own."
        unattachable = self._services.dataplane.address_refusal(str(address))
        if unattachable:
            return f"{text}. {unattachable}"
        is_open = subnet.is_vouched or self._is_admin
        if is_open or address_blocks.is_within(address, self._ranges):
            return None
        ranges = ", ".join(map(str, self._ranges)) or "no ranges are configured (vip_ranges)"
        return f"{text} in a network of a project's own. Allowed: subnets that an admin made or shared; {ranges}."

    def occupied(self, tx: sa.Connection) -> frozenset[Address]:
        """Return addresses that a VIP would take away from other machines, if VIPs do that.

        They are those of members, and those that other machines answered for in the last seconds.
        """
        if not self._services.config.takes_addresses:
            return frozenset()
        if self._members is None:
            found = tx.scalars(sa.select(MEMBER.c.address_canonical).distinct())
            self._members = frozenset(ipaddress.ip_address(address) for address in found)
        return self._members | self._services.probes.refused()

    _members: frozenset[Address] | None = None

    @cached_property
    def _own(self) -> frozenset[Address]:
        return frozenset(map(ipaddress.ip_address, self._services.dataplane.own_addresses()))
