"""The way of one write: wait for the turn, lock the load balancer, change rows, mark them PENDING, commit, wake."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa

from ....resources import Api, Resource
from ....store import addresses, haste, history, noop, prepared, settling
from ....store.history import Event
from ....store.prepared import Prepared
from ....store.settling import now as now
from ....store.snapshot import Record
from ....store.tables import LISTENER, LOADBALANCER, POOL, TABLES
from ...access.context import Context
from ...errors import Busy, Conflict, NotFound, QuotaMet
from ...services import Services
from .. import drivers, quotas
from . import conflict

S = TypeVar("S")
T = TypeVar("T")

TURN_POLL = 0.005  # seconds between two looks at a busy load balancer
MUTABLE = ("ACTIVE", "ERROR")  # what has failed can be mended
BUSY = "Load Balancer {id} is immutable and cannot be updated."
BUSY_LOADBALANCER = "Invalid state {status} of loadbalancer resource {id}"

_LOCK = Prepared(sa.select(LOADBALANCER).where(LOADBALANCER.c.id == sa.bindparam("id")).with_for_update())
_TOUCH = {
    name: Prepared(
        sa.update(table)
        .where(table.c.id == sa.bindparam("row_id"), sa.or_(*(table.c.provisioning_status == each for each in MUTABLE)))
        .values(provisioning_status="PENDING_UPDATE"),
        ("revision",),
    )
    for name, table in TABLES.items()
}
_USERS = Prepared(sa.select(LISTENER.c.id).where(LISTENER.c.default_pool_id == sa.bindparam("pool_id")))


class Change:
    """One transaction that changes one load balancer, whose row it has locked."""

    def __init__(
        self,
        services: Services,
        tx: sa.Connection,
        loadbalancer: Record,
        is_new: bool = False,
        who: Context | None = None,
    ) -> None:
        self._who = who
        self._is_new = is_new
        self._events: list[Event] = []
        self._remaining: dict[str, int | None] = {}  # of the project's quota, by resource
        self.services = services
        self.tx = tx
        self.loadbalancer = loadbalancer
        self.revision = loadbalancer.revision + (0 if is_new else 1)

    def insert(self, resource: Resource, values: dict[str, Any]) -> Record:
        """A new row, PENDING_CREATE. Raises QuotaMet."""
        self._reserve(resource)
        table = TABLES[resource.name]
        row = addresses.with_canonical(table, new_row(values, self.revision))
        if "loadbalancer_id" in table.c:
            row["loadbalancer_id"] = self.loadbalancer.id
        prepared.insert(table, *row).run(self.tx, **row)
        self.note("create", resource.name, row["id"], _telling(resource, values))
        return self.row(table, row["id"])

    def _reserve(self, resource: Resource) -> None:
        """Take one of the project's quota; what there is is counted once for many of a kind. Raises QuotaMet."""
        name = resource.name
        if name not in self._remaining:
            project_id = self.loadbalancer.project_id
            self._remaining[name] = quotas.remaining(self.services, self.tx, resource, project_id)
        left = self._remaining[name]
        if left is not None:
            if left <= 0:
                raise QuotaMet(resource.title)
            self._remaining[name] = left - 1

    def update(self, table: sa.Table, id_: str, values: dict[str, Any]) -> None:
        """Change a row: PENDING_UPDATE."""
        marks = {"provisioning_status": "PENDING_UPDATE", "revision": self.revision, "updated_at": now()}
        changed = addresses.with_canonical(table, {**values, **marks})
        prepared.update(table, *changed).run(self.tx, row_id=id_, **changed)
        self.note("update", table.name, id_, values)

    def delete(self, table: sa.Table, ids: Iterable[str]) -> None:
        """PENDING_DELETE: the rows vanish when the data plane has let go of them."""
        self._remaining.clear()
        marks = {"provisioning_status": "PENDING_DELETE", "revision": self.revision, "updated_at": now()}
        for id_ in ids:
            prepared.update(table, *marks).run(self.tx, row_id=id_, **marks)
            self.note("delete", table.name, id_)

    def note(self, action: str, resource: str, id_: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Have the load balancer's history tell of it."""
        user_id = self._who.user_id if self._who else None
        self._events.append(Event(action, resource, id_, attributes, user_id, self.revision))

    def note_new(self, resource: Resource, row: Record) -> None:
        self.note("create", resource.name, row.id, _telling(resource, row._mapping))

    def finish(self, wake: Callable[[str], None]) -> None:
        """Write down what was noted, as the last thing in the transaction; the data plane has to look if it runs it."""
        history.record(self.tx, self.loadbalancer.id, self._events)
        testing = self.services.testing
        is_held = testing is not None and testing.paces.begin(
            self.loadbalancer.id, [(each.resource, each.action, each.resource_id) for each in self._events]
        )
        if not is_held and drivers.is_noop(self.services.config.providers, self.loadbalancer.provider):
            noop.settle(self.tx, self.loadbalancer.id, testing.health.statuses if testing else {})
        else:
            wake(self.loadbalancer.id)

    def touch(self, table: sa.Table, ids: Iterable[str | None]) -> None:
        """Rows that a change of others concerns: PENDING_UPDATE, as Octavia shows it."""
        if self._is_new:
            return  # whatever is in it is new, too
        for id_ in ids:
            if id_:
                _TOUCH[table.name].run(self.tx, row_id=id_, revision=self.revision)

    def touch_loadbalancer(self) -> None:
        marks = {"provisioning_status": "PENDING_UPDATE", "revision": self.revision}
        prepared.update(LOADBALANCER, *marks).run(self.tx, row_id=self.loadbalancer.id, **marks)

    def touch_pool(self, pool_id: str | None) -> None:
        """A pool, and the listeners whose default it is."""
        if pool_id:
            self.touch(POOL, [pool_id])
            self.touch(LISTENER, _USERS.scalars(self.tx, pool_id=pool_id))

    def row(self, table: sa.Table, id_: str) -> Record:
        return prepared.by(table, "id").one(self.tx, id=id_)


@contextmanager
def writing(services: Services) -> Iterator[tuple[sa.Connection, Callable[[str], None]]]:
    """A transaction, and a function that names load balancers that the data plane is to look at afterwards.

    It is told also where the database has not said that it kept them: it may have, and nothing may stay PENDING.
    """
    named: list[str] = []
    try:
        with services.store.writing() as tx:
            yield tx, named.append
    except sa.exc.OperationalError:
        _wake(services, named)
        raise
    if services.settlements is None or haste.is_in_haste():
        _wake(services, named)
        return
    with services.settlements.expected(named) as settled:
        _wake(services, named)
        settled()


def _wake(services: Services, ids: Iterable[str]) -> None:
    for id_ in ids:
        services.dataplane.wake(id_)


def change(
    services: Services,
    find: Callable[[sa.Connection], tuple[str, S]],
    operation: Callable[[Change, S], T],
    mutable: tuple[str, ...] = MUTABLE,
    busy: str = BUSY,
    who: Context | None = None,
) -> T:
    """Find what is to be changed and run the operation on it, in one transaction, then wake the data plane.

    find(tx) gives the ID of the load balancer, and what the operation needs to know; it refuses what cannot be. A busy
    load balancer is waited for, up to config.busy_wait seconds, and then everything is looked at anew. Raises Conflict,
    with the text `busy`, when it still is, and NotFound when there is none (any more).
    """
    deadline = time.monotonic() + services.config.busy_wait
    while True:
        with writing(services) as (tx, wake):
            loadbalancer_id, found = find(tx)
            loadbalancer = _lock(tx, loadbalancer_id)
            check_haste(services, loadbalancer.provider)
            if loadbalancer.provisioning_status in mutable:
                made = Change(services, tx, loadbalancer, who=who)
                result = operation(made, found)
                made.finish(wake)
                return result
            held_by = conflict.of(tx, loadbalancer)
        text = busy.format(id=loadbalancer_id, status=loadbalancer.provisioning_status)
        if not _is_pending(loadbalancer.provisioning_status):
            raise Conflict(text)
        if time.monotonic() >= deadline:
            raise Busy(text, held_by)
        haste.may_wait()
        _wait_for_turn(services, loadbalancer_id, deadline)


def check_haste(services: Services, provider: str) -> None:
    """What is carried by HAProxy takes its time. Raises haste.WouldWait."""
    if not drivers.is_noop(services.config.providers, provider):
        haste.may_wait()


def _telling(resource: Resource, values: Mapping[str, Any]) -> dict[str, Any]:
    """What of a new row is neither a default nor the same for everything in a load balancer."""
    given = [field for field in resource.fields if Api.POST in field.api and field.name in values]
    told = {field.name: values[field.name] for field in given if field.name != "project_id"}
    return {name: value for name, value in told.items() if value not in (None, resource[name].default, [], {})}


def new_row(values: dict[str, Any], revision: int) -> dict[str, Any]:
    """The values with what every row begins with."""
    return {
        **values,
        "id": str(uuid.uuid4()),
        "created_at": now(),
        "updated_at": None,
        "provisioning_status": "PENDING_CREATE",
        "revision": revision,
        "serial": new_serial(),
    }


def new_serial() -> int:
    """What orders rows by their creation."""
    return time.time_ns()


def _wait_for_turn(services: Services, loadbalancer_id: str, deadline: float) -> None:
    """Look without a lock, so that those who wait do not hinder those who work."""
    while time.monotonic() < deadline:
        with services.store.reading() as tx:
            found = settling.provisioning_status(tx, loadbalancer_id)
        if not _is_pending(found or ""):
            return
        time.sleep(TURN_POLL)


def _lock(tx: sa.Connection, loadbalancer_id: str) -> Record:
    loadbalancer = _LOCK.first(tx, id=loadbalancer_id)
    if loadbalancer is None:
        raise NotFound.named("Load Balancer", loadbalancer_id)
    return loadbalancer


def _is_pending(status: str) -> bool:
    return status.startswith("PENDING_")
