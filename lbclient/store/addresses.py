"""Columns of IP addresses: stored as they were sent, with a canonical form beside them for searches and comparisons."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

REMEMBERED = 16384  # canonical forms: a batch of members needs each several times
SUFFIX = "_canonical"  # of the name of a column with the canonical form of another column


@lru_cache(REMEMBERED)
def canonical(address: str) -> str:
    """Return the canonical spelling of an address or a network, such as 2001:db8::1; return other text unchanged."""
    try:
        found = ipaddress.ip_network(address, strict=False) if "/" in address else ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(found)


def columns(name: str) -> tuple[sa.Column[Any], sa.Column[Any]]:
    """Return the column of an address and the column of its canonical form."""
    return sa.Column(name, sa.Text()), sa.Column(f"{name}{SUFFIX}", sa.Text())


def with_canonical(table: sa.Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a row together with the canonical form of each address in it."""
    found = {f"{name}{SUFFIX}": values[name] for name in _names(table) if name in values}
    return {**values, **{name: address and canonical(address) for name, address in found.items()}}


@lru_cache
def _names(table: sa.Table) -> tuple[str, ...]:
    """Return the names of the columns of a table that have a canonical form beside them."""
    return tuple(name for name in map(str, table.columns.keys()) if f"{name}{SUFFIX}" in table.c)
