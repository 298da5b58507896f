"""The no-op network, in which every ID exists: for tests of clients that use IDs of their own."""

from __future__ import annotations

import ipaddress
import uuid
from types import SimpleNamespace

import sqlalchemy as sa

from .. import errors
from ..access.context import Context
from .claims import Claims
from .vip import NO_PLACE, Vip

ANY_SUBNET = SimpleNamespace(is_vouched=True)
MADE_UP_ADDRESS = "198.51.100.1"  # from the block for documentation; the same as in Octavia's no-op driver


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
    """Return a VIP with the given IDs, and with made-up ones derived from these: equal requests get equal subnets.

    Only a requested address is claimed; the made-up one is shared by all load balancers.

    Raises errors.ValidationFailure.
    """
    given = vip_port_id or vip_network_id or vip_subnet_id
    if given is None:
        raise errors.ValidationFailure(NO_PLACE)
    if claims and vip_address:
        claims.take(tx, ANY_SUBNET, ipaddress.ip_address(vip_address), loadbalancer_id)
    subnet_id = vip_subnet_id or _made_up(given, "subnet")
    return Vip(
        vip_address or MADE_UP_ADDRESS,
        vip_port_id or _made_up(loadbalancer_id, f"port in {subnet_id}"),
        subnet_id,
        vip_network_id,
    )


def _made_up(id_: str, what: str) -> str:
    return str(uuid.uuid5(uuid.UUID(id_), what))


def network_exists(tx: sa.Connection, network_id: str) -> bool:
    return True


def subnet_exists(tx: sa.Connection, subnet_id: str, who: Context) -> bool:
    return True


def qos_policy_exists(tx: sa.Connection, qos_policy_id: str, who: Context) -> bool:
    return True


def security_group_exists(tx: sa.Connection, security_group_id: str, who: Context) -> bool:
    return True


def guard(tx: sa.Connection, loadbalancer_id: str, security_group_ids: list[str], qos_policy_id: str | None) -> None:
    """Do nothing: the no-op network has no ports."""
