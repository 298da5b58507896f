"""Insert the members of a large new load balancer ahead of the rest, in short transactions between which others write.

The load balancer and its pools have their IDs already, but no rows: no request finds the members before the transaction
that creates the rest, and without it they are deleted again. On PostgreSQL changes run beside each other anyway.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ....batches import batched
from ....resources import LOADBALANCER, MEMBER
from ....store import prepared, serials, settling, staged
from ....store.tables import TABLES
from ...access.context import Context
from ...errors import Error
from ...services import Services
from .. import bodies, drivers, quotas
from ..rules import member as member_rules
from . import creation, placement

Values = dict[str, Any]
LEAST = 500  # members of a pool; fewer are inserted in one transaction with the rest
PART = 200  # members inserted in one transaction


class _GivenUp(Exception):
    """The members cannot be inserted ahead; the transaction of the load balancer tells why, if it fails as well."""


@dataclass
class Pool:
    """A pool whose members have been inserted before it."""

    drafts: Sequence[Values]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    rows: list[Values] = field(default_factory=list)  # of the members, as inserted


@dataclass
class Staged:
    """The ID of a new load balancer, and its pools whose members have been inserted."""

    loadbalancer_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    pools: dict[int, Pool] = field(default_factory=dict)  # by the identity of what the request has

    def pool(self, given: Any) -> Pool | None:
        """Return the pool that a part of the request describes; None unless its members have been inserted."""
        return self.pools.get(id(given))


@contextmanager
def members(services: Services, who: Context, body: Any, pools: dict[int, list[Values]]) -> Iterator[Staged]:
    """Insert drafted members, given by the identity of their pools; delete them if the block raises an exception."""
    found = Staged()
    large = {key: Pool(drafts) for key, drafts in pools.items() if len(drafts) >= LEAST}
    if not large or not services.store.has_one_writer:
        yield found
        return
    try:
        try:
            _Staging(services, who, body, found.loadbalancer_id).insert(large.values())
            found.pools = large
        except (_GivenUp, Error):
            staged.remove(services.store, found.loadbalancer_id)
        yield found
    except BaseException:
        staged.remove(services.store, found.loadbalancer_id)
        raise


class _Staging:
    """Inserts the members of one load balancer."""

    def __init__(self, services: Services, who: Context, body: Any, loadbalancer_id: str) -> None:
        """Find out the project and the provider of the load balancer. Raises Error."""
        self._services = services
        values = bodies.created(LOADBALANCER, body)
        self._owner: Values = {
            "project_id": creation.project_of(services, who, values),
            "loadbalancer_id": loadbalancer_id,
            "revision": 1,
            "operating_status": "NO_MONITOR",
        }
        with services.store.reading() as tx:
            provider = placement.of(tx, services, values).provider
        self._is_settled = drivers.is_noop(services.config.providers, provider) and services.testing is None

    def insert(self, pools: Iterable[Pool]) -> None:
        """Insert the members of the pools. Raises _GivenUp and Error."""
        for pool in pools:
            taken: set[member_rules.Place] = set()
            for each in pool.drafts:
                member_rules.take(taken, each)
            for part in batched(pool.drafts, PART):
                with self._services.store.writing(is_durable=False) as tx:
                    pool.rows += self._insert(tx, pool.id, part)
        if self._is_settled:
            self._settle()

    def _insert(self, tx: sa.Connection, pool_id: str, part: Sequence[Values]) -> list[Values]:
        room = quotas.remaining(self._services, tx, MEMBER, self._owner["project_id"])
        if room is not None and room < len(part):
            raise _GivenUp
        rows = []
        for each in part:
            row = {**each, **self._owner, "pool_id": pool_id, "serial": serials.of_row(tx)}
            if row.pop("request_sriov"):  # the flavor has to allow that
                raise _GivenUp
            rows.append(row)
        prepared.insert(TABLES[MEMBER.name], *rows[0]).run_each(tx, rows)
        return rows

    def _settle(self) -> None:
        """Mark the members ACTIVE already, since nothing has to run for them."""
        store, id_ = self._services.store, self._owner["loadbalancer_id"]
        with store.reading() as tx:
            parts = settling.member_parts(tx, id_)
        for first, last in parts:
            with store.writing(is_durable=False) as tx:
                settling.activate_members(tx, id_, first, last)
