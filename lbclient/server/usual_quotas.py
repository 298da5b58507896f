"""Quotas of networks, secrets and the like: the limits that the server's options set for every project."""

from __future__ import annotations

import sqlalchemy as sa

from ..resources.quota import UNLIMITED
from .services import Services


def limit(services: Services, name: str) -> int:
    """Return how many objects of a kind (one of BESIDE) each project may have; UNLIMITED without authentication."""
    return UNLIMITED if services.config.auth == "noauth" else services.usual_quotas.get(name, UNLIMITED)


def has_room(
    services: Services, tx: sa.Connection, name: str, table: sa.Table, project_id: str, count: int = 1
) -> bool:
    """Whether a project may have so many objects more, in the only transaction that writes."""
    most = limit(services, name)
    if most == UNLIMITED:
        return True
    used = tx.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.project_id == project_id)) or 0
    return bool(used + count <= most)
