"""The names of a load balancer and its parts, for lines of its traffic log."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...store.store import Store
from ...store.tables import LOADBALANCER
from ..loadbalancer.log_lines import Names, names_of

FRESH = 5.0  # seconds for which names are not looked up again
MOST = 10_000  # load balancers


@dataclass(frozen=True)
class Owner:
    """A load balancer: what is added to each of its lines, and the names of its parts."""

    values: dict[str, Any]
    names: Names


class Owners:
    """Looks up load balancers in the database. Used by one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[float, Owner]] = {}

    def find(self, id_: str) -> Owner:
        """Return a load balancer; of one that has been deleted meanwhile, what is known."""
        at, known = self._known.get(id_, (0.0, None))
        if known is not None and time.monotonic() - at < FRESH:
            return known
        found = self._read(id_) or known or Owner({"loadbalancer_id": id_}, Names({}, {}, {}))
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[id_] = time.monotonic(), found
        return found

    def _read(self, id_: str) -> Owner | None:
        with self._store.reading() as tx:
            row = tx.execute(sa.select(LOADBALANCER).where(LOADBALANCER.c.id == id_)).first()
            if row is None:
                return None
            values = {"loadbalancer_id": id_, "loadbalancer_name": row.name, "project_id": row.project_id}
            return Owner(values, names_of(tx, id_))
