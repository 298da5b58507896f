"""The steps of a write: wait while busy, lock the load balancer, change rows, mark them PENDING, commit, wake."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from ....resources import Api, Resource
from ....store import addresses, history, noop, prepared, serials, settling
from ....store.history import Event
from ....store.json_sql import given, is_given
from ....store.prepared import Prepared
from ....store.records import LoadBalancerRecord, Record
from ....store.tables import LISTENER, LOADBALANCER, MEMBER, POOL, TABLES
from ....store.times import now as now
from ....store.times import now_exactly
from ...access.context import Context
from ...errors import Busy, Conflict, NotFound, QuotaMet
from ...services import Services
from .. import drivers, quotas
from . import conflict

S = TypeVar("S")
T = TypeVar("T")

BUSY_POLL = 0.005  # seconds between two polls of a busy load balancer
MUTABLE = ("ACTIVE", "ERROR")  # a load balancer in ERROR can be repaired
BUSY = "Load Balancer {id} is immutable and cannot be updated."
BUSY_LOADBALANCER = "Invalid state {status} of loadbalancer resource {id}"

_TOUCH = {
    name: Prepared(
        sa.update(table)
        .where(table.c.id == sa.bindparam("row_id"), sa.or_(*(table.c.provisioning_status == each for each in MUTABLE)))
        .values(provisioning_status="PENDING_UPDATE"),
        ("revision",),
    )
    for name, table in TABLES.items()
}
_CHILDREN = {name: table for name, table in TABLES.items() if table is not LOADBALANCER}
_LAST_OWNED = {
    name: Prepared(
        sa.select(table.c.id)
        .where(table.c.loadbalancer_id == sa.bindparam("loadbalancer_id"))
        .order_by(table.c.serial.desc())
        .limit(history.KEPT)
    )
    for name, table in _CHILDREN.items()
}
_DELETE = {
    name: Prepared(
        sa.update(table).where(is_given(table.c.id)).values(provisioning_status="PENDING_DELETE"),
        ("revision", "updated_at"),
    )
    for name, table in TABLES.items()
}
_DELETE_OWNED = {
    name: Prepared(
        sa.update(table)
        .where(table.c.loadbalancer_id == sa.bindparam("loadbalancer_id"))
        .values(provisioning_status="PENDING_DELETE"),
        ("revision", "updated_at"),
    )
    for name, table in _CHILDREN.items()
}
_USERS = Prepared(sa.select(LISTENER.c.id).where(LISTENER.c.default_pool_id == sa.bindparam("pool_id")))


class Change:
    """One transaction that changes one load balancer, whose row it has locked."""

    def __init__(
        self,
        services: Services,
        tx: sa.Connection,
        loadbalancer: LoadBalancerRecord,
        is_new: bool = False,
        who: Context | None = None,
    ) -> None:
        self._who = who
        self._is_new = is_new
        self._events: list[Event] = []
        self._at = now_exactly()  # for all events
        self._remaining: dict[str, int | None] = {}  # of the project's quota, by resource
        self._is_large = False  # whether its members are settled in transactions of their own
        self.services = services
        self.tx = tx
        self.loadbalancer = loadbalancer
        self.revision = loadbalancer.revision + (0 if is_new else 1)

    def insert(self, resource: Resource, values: dict[str, Any]) -> Record:
        """Insert a row as PENDING_CREATE and return it. Raises QuotaMet."""
        table = TABLES[resource.name]
        row = self._new(resource, draft(table, values))
        self.note("create", resource.name, row["id"], _telling(resource, values))
        prepared.insert(table, *row).run(self.tx, **row)
        return self.row(table, row["id"])

    def insert_all(self, resource: Resource, rows: Sequence[dict[str, Any]]) -> None:
        """Complete drafted rows and insert them as PENDING_CREATE, all at once. Raises QuotaMet."""
        if not rows:
            return
        table = TABLES[resource.name]
        self._reserve(resource, len(rows))
        owner = self._owner(resource)
        for row in rows:
            row |= owner
            row["serial"] = serials.of_row(self.tx)
        for columns, found in _by_columns(rows).items():
            prepared.insert(table, *columns).run_each(self.tx, found)
        self.adopt_all(resource, rows)

    def adopt_all(self, resource: Resource, rows: Sequence[dict[str, Any]]) -> None:
        """Note that rows were created, of which the history keeps the last ones."""
        for row in rows[-history.KEPT :]:
            self.note("create", resource.name, row["id"], _telling(resource, row))

    def _new(self, resource: Resource, drafted: dict[str, Any]) -> dict[str, Any]:
        """Return the values of all columns of a new row. Raises QuotaMet."""
        self._reserve(resource, 1)
        return {**drafted, **self._owner(resource), "serial": serials.of_row(self.tx)}

    def _owner(self, resource: Resource) -> dict[str, Any]:
        """Return the columns that are the same in all new rows of a table."""
        owner = {"loadbalancer_id": self.loadbalancer.id} if "loadbalancer_id" in TABLES[resource.name].c else {}
        return {**owner, "revision": self.revision}

    def _reserve(self, resource: Resource, count: int) -> None:
        """Take objects off the project's quota; existing ones are counted only once per kind. Raises QuotaMet."""
        name = resource.name
        if name not in self._remaining:
            project_id = self.loadbalancer.project_id
            self._remaining[name] = quotas.remaining(self.services, self.tx, resource, project_id)
        left = self._remaining[name]
        if left is not None:
            if left < count:
                raise QuotaMet(resource.title)
            self._remaining[name] = left - count

    def update(self, table: sa.Table, id_: str, values: dict[str, Any]) -> None:
        """Update a row and mark it PENDING_UPDATE."""
        self.update_all(table, {id_: values})

    def update_all(self, table: sa.Table, changes: Mapping[str, dict[str, Any]]) -> None:
        """Update rows, given as {ID: values}, and mark them PENDING_UPDATE."""
        marks = {"provisioning_status": "PENDING_UPDATE", "revision": self.revision, "updated_at": now()}
        rows = [
            {**addresses.with_canonical(table, {**values, **marks}), "row_id": id_} for id_, values in changes.items()
        ]
        for columns, found in _by_columns(rows).items():
            prepared.update(table, *columns[:-1]).run_each(self.tx, found)
        for id_, values in list(changes.items())[-history.KEPT :]:
            self.note("update", table.name, id_, values)

    def delete(self, table: sa.Table, ids: Iterable[str]) -> None:
        """Mark rows PENDING_DELETE; they are removed once the data plane no longer uses them."""
        self._remaining.clear()
        gone = list(ids)
        _DELETE[table.name].run(self.tx, ids=given(gone), revision=self.revision, updated_at=now())
        for id_ in gone[-history.KEPT :]:
            self.note("delete", table.name, id_)

    def delete_all(self, table: sa.Table) -> None:
        """Mark all rows of a table that belong to the load balancer PENDING_DELETE, like delete().

        Members that are settled in parts, right after this transaction, need no mark of their own.
        """
        self._remaining.clear()
        owner = {"loadbalancer_id": self.loadbalancer.id}
        last = _LAST_OWNED[table.name].scalars(self.tx, **owner)
        if table is MEMBER and self._may_settle_later() and settling.is_large(self.tx, self.loadbalancer.id):
            self._is_large = True
        elif last:
            _DELETE_OWNED[table.name].run(self.tx, **owner, revision=self.revision, updated_at=now())
        for id_ in reversed(last):
            self.note("delete", table.name, id_)

    def note(self, action: str, resource: str, id_: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Note an event for the load balancer's history; finish() writes the last history.KEPT of them."""
        user_id = self._who.user_id if self._who else None
        user_name = self._who.user_name or None if self._who else None
        known = (user_id, user_name, self.revision)
        self._events.append(Event(action, resource, id_, attributes, *known, created_at=self._at))

    def note_new(self, resource: Resource, row: Record) -> None:
        self.note("create", resource.name, row.id, _telling(resource, row._mapping))

    def finish(self, after: After) -> None:
        """Write the noted events, as the last step of the transaction.

        Settles the load balancer of a no-op provider, now or right after the transaction; for any other, wakes the
        data plane.
        """
        history.record(self.tx, self.loadbalancer.id, self._events)
        testing = self.services.testing
        is_held = testing is not None and testing.paces.begin(
            self.loadbalancer.id, [(each.resource, each.action, each.resource_id) for each in self._events]
        )
        if is_held or not self._is_noop:
            after.wake.append(self.loadbalancer.id)
        elif self._is_large:
            after.settle.append(self.loadbalancer.id)
        else:
            noop.settle(self.tx, self.loadbalancer.id, testing.health.statuses if testing else {})

    @property
    def _is_noop(self) -> bool:
        return drivers.is_noop(self.services.config.providers, self.loadbalancer.provider)

    def _may_settle_later(self) -> bool:
        """Whether the change is settled by this server, in parts, where others would wait for one large transaction."""
        return self._is_noop and self.services.store.has_one_writer and self.services.testing is None

    def touch(self, table: sa.Table, ids: Iterable[str | None]) -> None:
        """Mark rows PENDING_UPDATE that a change of other rows affects, as Octavia does."""
        if self._is_new:
            return  # all of its rows are new, too
        for id_ in ids:
            if id_:
                _TOUCH[table.name].run(self.tx, row_id=id_, revision=self.revision)

    def touch_loadbalancer(self) -> None:
        marks = {"provisioning_status": "PENDING_UPDATE", "revision": self.revision}
        prepared.update(LOADBALANCER, *marks).run(self.tx, row_id=self.loadbalancer.id, **marks)

    def touch_pool(self, pool_id: str | None) -> None:
        """Mark a pool and the listeners that have it as their default pool."""
        if pool_id:
            self.touch(POOL, [pool_id])
            self.touch(LISTENER, _USERS.scalars(self.tx, pool_id=pool_id))

    def row(self, table: sa.Table, id_: str) -> Record:
        return prepared.by(table, "id").one(self.tx, id=id_)


@dataclass(frozen=True)
class After:
    """The load balancers for which something is done once their transaction has ended, by ID."""

    wake: list[str] = field(default_factory=list)  # in the data plane
    settle: list[str] = field(default_factory=list)  # here, in parts; those of a no-op provider


@contextmanager
def writing(services: Services) -> Iterator[tuple[sa.Connection, After]]:
    """Open a transaction; yield it and the load balancers to settle or to wake once it has ended.

    All are woken if the commit, or settling them, fails with an OperationalError: the database may have committed all
    the same, and no load balancer may stay PENDING.
    """
    after = After()
    try:
        with services.store.changing() as tx:
            yield tx, after
        for id_ in after.settle:
            services.store.settle_noop(id_)
    except sa.exc.OperationalError:
        for id_ in after.wake + after.settle:
            services.dataplane.wake(id_)
        raise
    services.wake_changed(after.wake)


def change(
    services: Services,
    find: Callable[[sa.Connection], tuple[str, S]],
    operation: Callable[[Change, S], T],
    mutable: tuple[str, ...] = MUTABLE,
    busy: str = BUSY,
    who: Context | None = None,
) -> T:
    """Run `find` and `operation` in one transaction that locks the load balancer, then wake the data plane.

    find(tx) validates the request and returns the ID of the load balancer and the second argument of the operation.
    Where other transactions write at the same time, it is called again once the row is locked.
    While the load balancer is busy, waits up to config.busy_wait seconds and then starts over with `find`. Raises
    Busy, with the text `busy`, if it is still busy then; Conflict, with the same text, if its status is not in
    `mutable`; and NotFound if it does not exist.
    """
    deadline = time.monotonic() + services.config.busy_wait
    while True:
        with writing(services) as (tx, after):
            loadbalancer_id, found = find(tx)
            loadbalancer = _lock(tx, loadbalancer_id)
            if loadbalancer.provisioning_status in mutable:
                if not services.store.has_one_writer:
                    _, found = find(tx)
                made = Change(services, tx, loadbalancer, who=who)
                result = operation(made, found)
                made.finish(after)
                return result
            held_by = conflict.of(tx, loadbalancer)
        text = busy.format(id=loadbalancer_id, status=loadbalancer.provisioning_status)
        if not _is_pending(loadbalancer.provisioning_status):
            raise Conflict(text)
        if time.monotonic() >= deadline:
            raise Busy(text, held_by)
        _wait_while_busy(services, loadbalancer_id, deadline)


def _by_columns(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """Group rows by the names of their columns, in order: one statement sets the same columns in each of its rows."""
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row), []).append(row)
    return found


def _telling(resource: Resource, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a new row worth logging: neither defaults nor project_id."""
    given = [field for field in resource.fields if Api.POST in field.api and field.name in values]
    told = {field.name: values[field.name] for field in given if field.name != "project_id"}
    return {name: value for name, value in told.items() if value not in (None, resource[name].default, [], {})}


def draft(table: sa.Table, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a new row but for those that depend on the transaction; it needs none itself."""
    return {**addresses.with_canonical(table, values), **_initial(values.get("id"))}


def new_row(tx: sa.Connection, values: dict[str, Any], revision: int) -> dict[str, Any]:
    """Return the values with the initial columns of every row: ID, timestamps, status, revision and serial."""
    return {**values, **_initial(values.get("id")), "revision": revision, "serial": serials.of_row(tx)}


def _initial(id_: str | None) -> dict[str, Any]:
    return {
        "id": id_ or str(uuid.uuid4()),
        "created_at": now(),
        "updated_at": None,
        "provisioning_status": "PENDING_CREATE",
    }


def _wait_while_busy(services: Services, loadbalancer_id: str, deadline: float) -> None:
    """Poll without a lock, so that waiting requests do not block the running one, until the load balancer is free."""
    while time.monotonic() < deadline:
        with services.store.reading() as tx:
            found = settling.provisioning_status(tx, loadbalancer_id)
        if not _is_pending(found or ""):
            return
        time.sleep(BUSY_POLL)


def _lock(tx: sa.Connection, loadbalancer_id: str) -> Record:
    loadbalancer = settling.lock(tx, loadbalancer_id)
    if loadbalancer is None:
        raise NotFound.named("Load Balancer", loadbalancer_id)
    return loadbalancer


def _is_pending(status: str) -> bool:
    return status.startswith("PENDING_")
