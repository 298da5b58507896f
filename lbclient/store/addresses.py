"""IP addresses: stored as they were sent, found and compared by the canonical form beside that."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

SUFFIX = "_canonical"  # of the column that has the canonical form of another one


def canonical(address: str) -> str:
    """The shortest spelling of an address or a network, 2001:db8::1; any other text stays as it is."""
    try:
        found = ipaddress.ip_network(address, strict=False) if "/" in address else ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(found)


def columns(name: str) -> tuple[sa.Column[Any], sa.Column[Any]]:
    """The column of an address, and the one of its canonical form."""
    return sa.Column(name, sa.Text()), sa.Column(f"{name}{SUFFIX}", sa.Text())


def with_canonical(table: sa.Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row, with the canonical form of every address among them."""
    found = [name for name in values if f"{name}{SUFFIX}" in table.c]
    return {**values, **{f"{name}{SUFFIX}": values[name] and canonical(values[name]) for name in found}}
