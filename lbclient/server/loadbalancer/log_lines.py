"""A line of the traffic log as people read it: with names in place of HAProxy's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import orjson
import sqlalchemy as sa

from ...store.tables import TABLES

Values = dict[str, Any]

# What HAProxy writes where there is nothing to tell.
NOTHING: Mapping[str, tuple[Any, ...]] = {"error": ("Success", "-", ""), "tls_error": ("-", ""), "status": (0, -1)}


@dataclass(frozen=True)
class Names:
    """The names of a load balancer's parts, by ID."""

    listeners: Mapping[str, str]
    pools: Mapping[str, str]
    members: Mapping[str, str]


def names_of(tx: sa.Connection, loadbalancer_id: str) -> Names:
    found = {}
    for name in ("listener", "pool", "member"):
        table = TABLES[name]
        rows = tx.execute(sa.select(table).where(table.c.loadbalancer_id == loadbalancer_id))
        found[name] = {
            row.id: row.name or (f"{row.address}:{row.protocol_port}" if name == "member" else "") for row in rows
        }
    return Names(found["listener"], found["pool"], found["member"])


def parsed(raw: bytes) -> Values | None:
    """Return a line as it was logged; None if it was cut, as when the disk was full."""
    try:
        line: Values = orjson.loads(raw)
    except ValueError:
        return None
    return line


def present(listener_id: str, line: Values, names: Names) -> Values:
    """Return a line with the time as text, and with IDs and names in place of HAProxy's words."""
    pool_id = line.pop("backend", "").partition(":")[0]
    member_id = line.pop("server", "")
    at = datetime.fromtimestamp(line["ts"], timezone.utc).isoformat(timespec="milliseconds").removesuffix("+00:00")
    found = {"time": at, "listener_id": listener_id, "listener_name": names.listeners.get(listener_id)}
    if pool_id in names.pools:
        found |= {"pool_id": pool_id, "pool_name": names.pools[pool_id]}
    if member_id in names.members:
        found |= {"member_id": member_id, "member_name": names.members[member_id]}
    return {**found, **{name: value for name, value in line.items() if value not in NOTHING.get(name, ())}}
