"""Describe the pending change of a busy load balancer, which the conflict error shows in addition to Octavia's text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from ....store.records import LoadBalancerRecord, Record
from ....store.tables import HEALTHMONITOR, L7POLICY, L7RULE, LISTENER, LOADBALANCER, MEMBER, POOL

OUTSIDE_IN = (LISTENER, POOL, L7POLICY, L7RULE, HEALTHMONITOR, MEMBER)


def of(tx: sa.Connection, loadbalancer: LoadBalancerRecord) -> dict[str, Any]:
    """Describe the object that the pending change is about: its ID, name, status, and since when."""
    if loadbalancer.provisioning_status != "PENDING_UPDATE":
        return _described(LOADBALANCER.name, loadbalancer)
    marked = list(_marked(tx, loadbalancer))
    # A creation or deletion marks the object and everything inside it; an update marks the objects around it, too.
    made = [each for each in marked if each[1].provisioning_status != "PENDING_UPDATE"]
    changed = [each for each in marked if each[1].updated_at is not None]
    return _described(*(made[:1] or changed[-1:] or [(LOADBALANCER.name, loadbalancer)])[0])


def _marked(tx: sa.Connection, loadbalancer: LoadBalancerRecord) -> Iterator[tuple[str, Record]]:
    """Yield one object of each kind that the last change has marked pending."""
    for table in OUTSIDE_IN:
        pending = (
            (table.c.loadbalancer_id == loadbalancer.id)
            & (table.c.revision == loadbalancer.revision)
            & table.c.provisioning_status.like("PENDING_%")
        )
        row = tx.execute(sa.select(table).where(pending).order_by(table.c.updated_at.desc()).limit(1)).one_or_none()
        if row is not None:
            yield table.name, row


def _described(resource: str, row: Record) -> dict[str, Any]:
    return {
        "resource": resource,
        "id": row.id,
        "name": getattr(row, "name", ""),  # L7 rules have no name
        "provisioning_status": row.provisioning_status,
        "since": row.updated_at or row.created_at,
    }
