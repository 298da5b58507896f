"""Rules of a pool's members, in Octavia's words."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ....store import addresses
from ....store.prepared import by
from ....store.tables import MEMBER
from ...errors import Conflict, ValidationFailure

Values = dict[str, Any]

RESERVED_ADDRESSES = ("169.254.169.254",)  # the metadata service of clouds


def check(tx: sa.Connection, pool_id: str, values: Values) -> None:
    """A member's address is allowed, and new in its pool."""
    address = addresses.canonical(values["address"])
    if address in RESERVED_ADDRESSES:
        raise ValidationFailure(f"The IP address {values['address']} is reserved and cannot be a member's address.")
    place = {"pool_id": pool_id, "address_canonical": address, "protocol_port": values["protocol_port"]}
    if by(MEMBER, *place).first(tx, **place):
        raise taken(values["address"], values["protocol_port"])


def taken(address: str, port: int) -> Conflict:
    return Conflict(f"Another member on this pool is already using ip {address} on protocol_port {port}")
