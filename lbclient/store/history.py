"""The event history of load balancers; each event is written in the same transaction as the change."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from . import serials
from .feed import Told
from .observed_tables import EVENT
from .prepared import Prepared, insert
from .tables import LOADBALANCER, TABLES
from .times import now_exactly

KEPT = 200  # events per load balancer
LONGEST = 1000  # maximum characters of an attribute's value and of a reason

_ID: sa.BindParameter[str] = sa.bindparam("row_id")


def _naming(table: sa.Table) -> list[sa.Column[Any]]:
    """Return the columns that people know a row by: its name, and a member's address and port."""
    return [table.c[name] for name in ("name", "address", "protocol_port") if name in table.c]


# Prepared once, because each write uses them.
_MINE = EVENT.c.loadbalancer_id == sa.bindparam("owner")
_FIRST_TOO_MANY = sa.select(EVENT.c.serial).where(_MINE).order_by(EVENT.c.serial.desc()).offset(KEPT).limit(1)
TRIM = Prepared(sa.delete(EVENT).where(_MINE, EVENT.c.serial <= _FIRST_TOO_MANY.scalar_subquery()))
_UNSETTLED = (_MINE, EVENT.c.revision <= sa.bindparam("until"), EVENT.c.how.is_(None))
SETTLE = Prepared(sa.update(EVENT).where(*_UNSETTLED), ("how", "milliseconds", "reason", "touched"))
INSERT = insert(EVENT, *EVENT.c.keys())
_TOUCHED = Prepared(sa.select(EVENT).where(_MINE, EVENT.c.touched == sa.bindparam("touched")).order_by(EVENT.c.serial))
_OPEN = Prepared(sa.select(EVENT).where(*_UNSETTLED).order_by(EVENT.c.serial))
_OWNER = Prepared(sa.select(LOADBALANCER.c.project_id, LOADBALANCER.c.name).where(LOADBALANCER.c.id == _ID))
_NAMES = {
    name: Prepared(sa.select(*_naming(table)).where(table.c.id == _ID))
    for name, table in TABLES.items()
    if "name" in table.c
}
TOLD = "lbclient.events"  # the key under which a transaction keeps the events to publish after its commit


@dataclass(frozen=True)
class Event:
    """One event: a request changed something, or the data plane applied or observed something by itself."""

    action: str  # create, update, delete, failover; apply; observe
    resource: str
    resource_id: str
    attributes: Mapping[str, Any] | None = None  # the attributes that a request gave
    user_id: str | None = None
    user_name: str | None = None
    revision: int | None = None
    status: str | None = None  # the new operating status
    how: str | None = None
    milliseconds: int | None = None
    reason: str | None = None
    created_at: str = field(default_factory=now_exactly)


@dataclass(frozen=True)
class Outcome:
    """The way a snapshot was applied: started, reloaded, runtime, stopped or nothing."""

    how: str
    milliseconds: float
    reason: str | None = None  # for a reload: what could not be changed at run time


def record(tx: sa.Connection, loadbalancer_id: str, events: Sequence[Event]) -> None:
    """Add events to the history of a load balancer and delete the oldest beyond KEPT."""
    if not events:
        return
    owner = _OWNER.first(tx, row_id=loadbalancer_id)
    project_id, name = (owner.project_id, owner.name) if owner else (None, None)
    rows = []
    for each in events[-KEPT:]:
        serial = serials.of_event(tx)
        known = {"id": str(uuid.uuid4()), "loadbalancer_id": loadbalancer_id, "serial": serial, "touched": serial}
        is_own = owner is not None and each.resource_id == loadbalancer_id
        resource_name = name or None if is_own else _name(tx, each)
        named = {"project_id": project_id, "loadbalancer_name": name, "resource_name": resource_name}
        rows.append(_shortened(each) | known | named)
    INSERT.run_each(tx, rows)
    TRIM.run(tx, owner=loadbalancer_id)
    _tell(tx, rows)


def _name(tx: sa.Connection, event: Event) -> str | None:
    """Return the name of the object that an event is about; a member without one is known by address and port."""
    found = _NAMES[event.resource].first(tx, row_id=event.resource_id) if event.resource in _NAMES else None
    if found is None:
        return None
    if found.name or not getattr(found, "address", None):
        return found.name or None
    address = f"[{found.address}]" if ":" in found.address else found.address
    return f"{address}:{found.protocol_port}"


def _tell(tx: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Have events published once the transaction has been committed."""
    told = [Told(row["touched"], row["loadbalancer_id"], row["project_id"], row) for row in rows]
    tx.info.setdefault(TOLD, []).extend(told)


def settle(
    tx: sa.Connection,
    loadbalancer_id: str,
    revision: int,
    outcome: Outcome | None,
    error: str | None,
    reason: str | None,
) -> None:
    """Store with the changes up to a revision how they were applied, or why not, wholly or in a part.

    If there are no such changes, but something was applied, record an event of its own.
    """
    how = "refused" if error is not None else outcome.how if outcome else "nothing"
    milliseconds = math.ceil(outcome.milliseconds) if outcome else None
    reason = error if error is not None or outcome is None else outcome.reason
    values: dict[str, Any] = {"how": how, "milliseconds": milliseconds, "reason": reason and reason[:LONGEST]}
    changes = {"owner": loadbalancer_id, "until": revision}
    touched = serials.of_event(tx)
    if SETTLE.run(tx, **changes, **values, touched=touched):
        _tell(tx, (row._mapping for row in _TOUCHED.all(tx, owner=loadbalancer_id, touched=touched)))
    elif how != "nothing":
        record(tx, loadbalancer_id, [Event("apply", "loadbalancer", loadbalancer_id, **values)])


def forget(tx: sa.Connection, loadbalancer_id: str, revision: int, outcome: Outcome | None) -> None:
    """Delete the history of a load balancer that has been deleted; those who follow it learn how that was applied."""
    how = outcome.how if outcome else "nothing"
    values = {"how": how, "milliseconds": math.ceil(outcome.milliseconds) if outcome else None}
    rows = _OPEN.all(tx, owner=loadbalancer_id, until=revision)
    _tell(tx, [{**row._mapping, **values, "touched": serials.of_event(tx)} for row in rows])
    tx.execute(sa.delete(EVENT).where(EVENT.c.loadbalancer_id == loadbalancer_id))


def _shortened(event: Event) -> dict[str, Any]:
    values = vars(event).copy()
    if event.attributes:
        values["attributes"] = {name: _text(value) for name, value in event.attributes.items()}
    values["reason"] = event.reason and event.reason[:LONGEST]
    return values


def _text(value: Any) -> str | None:
    text = value if isinstance(value, str) or value is None else json.dumps(value, ensure_ascii=False)
    return text if text is None or len(text) <= LONGEST else f"{text[:LONGEST]}…"


def since(tx: sa.Connection, serial: int, scope: Mapping[str, Any], limit: int) -> list[Told]:
    """Return the last events after one, oldest first; those of load balancers that have been deleted are missing.

    `scope` has the values of columns that they need to have.
    """
    mine = [EVENT.c[name] == value for name, value in scope.items()]
    statement = sa.select(EVENT).where(EVENT.c.touched > serial, *mine).order_by(EVENT.c.touched.desc())
    rows = tx.execute(statement.limit(limit)).all()
    return [Told(row.touched, row.loadbalancer_id, row.project_id, row._asdict()) for row in reversed(rows)]
