"""The database as the data plane of one host uses it: only the load balancers of that host exist for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from . import noop, placing, reading, vip_groups
from .cluster_tables import AMPHORA, SERVER
from .snapshot import Snapshot
from .store import Check, Key, Outcome, Statuses, Store, Totals
from .tables import LOADBALANCER


class Hosted:
    """The load balancers of one host in the database.

    The server's own host also settles the load balancers that have no amphora, because their provider is a no-op.
    """

    def __init__(
        self, store: Store, host_id: str = SERVER, on_moved: Callable[[str], None] = lambda loadbalancer_id: None
    ) -> None:
        """on_moved(id) is called once another host may run a load balancer that was here."""
        self._store = store
        self._host_id = host_id
        self.on_moved = on_moved

    def roster(self) -> list[tuple[str, str, bool]]:
        """Return (ID, project ID, whether its status is PENDING_*) for each load balancer."""
        with self._store.reading() as tx:
            rows = self._mine(tx, LOADBALANCER.c.id, LOADBALANCER.c.project_id, LOADBALANCER.c.provisioning_status)
        return [(row.id, row.project_id, row.provisioning_status.startswith("PENDING")) for row in rows]

    def wanted(self) -> list[tuple[str, str, bool, int]]:
        """Return the same with the revision of each load balancer."""
        columns = (LOADBALANCER.c.id, LOADBALANCER.c.project_id, LOADBALANCER.c.provisioning_status)
        with self._store.reading() as tx:
            rows = self._mine(tx, *columns, LOADBALANCER.c.revision)
        return [(row[0], row[1], str(row[2]).startswith("PENDING"), row[3]) for row in rows]

    def groups(self) -> list[dict[str, Any]]:
        """Return the groups of addresses that this host shares, as its agent is told of them."""
        shared: dict[str, list[str]] = {}
        with self._store.reading() as tx:
            for row in self._mine(tx, *LOADBALANCER.c, AMPHORA.c.vip_group_id):
                if row.vip_group_id is not None:
                    shared.setdefault(row.vip_group_id, []).extend(reading.addresses(tx, row))
            return [vip_groups.described(each, self._host_id, shared[each.id]) for each in vip_groups.by_id(tx, shared)]

    def addresses(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return the addresses of all load balancers, by (load balancer ID, provider name), but for those of groups."""
        with self._store.reading() as tx:
            rows = self._mine(tx, *LOADBALANCER.c, AMPHORA.c.vip_group_id)
            return {(row.id, row.provider): reading.addresses(tx, row) for row in rows if row.vip_group_id is None}

    def project_of(self, loadbalancer_id: str) -> str | None:
        """Return the project ID of a load balancer; None if the load balancer does not exist."""
        return self._store.project_of(loadbalancer_id)

    def snapshot(self, loadbalancer_id: str, before: Snapshot | None = None) -> Snapshot | None:
        """Return the current state of a load balancer; None if it does not exist on this host."""
        found = self._store.snapshot(loadbalancer_id, before, self._host_id)
        return found if found is not None and found.host_id in (self._host_id, None) else None

    def released(self, loadbalancer_id: str) -> None:
        """Let the host run a load balancer to which it moves from here."""
        with self._store.reading() as tx:
            if placing.amphora(tx, loadbalancer_id, self._host_id) is None:
                return
        with self._store.changing() as tx:
            is_moved = placing.released(tx, loadbalancer_id, self._host_id)
        if is_moved:
            self.on_moved(loadbalancer_id)

    def settle(
        self,
        snapshot: Snapshot,
        error: str | None,
        outcome: Outcome | None = None,
        expect: Callable[[Statuses], Statuses] = dict,
    ) -> bool:
        """Settle the changes that the snapshot saw; return whether the load balancer is still PENDING_*."""
        return self._store.settle(snapshot, error, outcome, expect)

    def settle_noop(self, loadbalancer_id: str, reported: Mapping[str, str] = noop.NOTHING) -> None:
        """Settle all changes of a load balancer of the no-op provider."""
        self._store.settle_noop(loadbalancer_id, reported)

    def observed(
        self,
        loadbalancer_id: str,
        statuses: Statuses,
        checks: Mapping[str, Check | None] | None = None,
        reasons: Mapping[Key, str] | None = None,
        revision: int | None = None,
    ) -> None:
        """Store observed operating statuses and check results."""
        self._store.observed(loadbalancer_id, statuses, checks, reasons, revision)

    def all_counted(self, totals: Mapping[str, Totals]) -> None:
        """Store the totals of many load balancers, by load balancer ID."""
        self._store.all_counted(totals, self._host_id)

    def _mine(self, tx: sa.Connection, *columns: sa.ColumnElement[Any]) -> list[Any]:
        """Return the rows of the load balancers on this host, in order of creation."""
        joined = sa.outerjoin(LOADBALANCER, AMPHORA, AMPHORA.c.loadbalancer_id == LOADBALANCER.c.id)
        is_mine = AMPHORA.c.host_id == self._host_id
        if self._host_id == SERVER:
            is_mine = is_mine | AMPHORA.c.id.is_(None)
        return list(tx.execute(sa.select(*columns).select_from(joined).where(is_mine).order_by(LOADBALANCER.c.serial)))
