"""The event history of load balancers; each event is written in the same transaction as the change."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from .observed_tables import EVENT
from .prepared import Prepared, insert

KEPT = 200  # events per load balancer
LONGEST = 1000  # maximum characters of an attribute's value and of a reason

# Prepared once, because each write uses them.
_MINE = EVENT.c.loadbalancer_id == sa.bindparam("owner")
_FIRST_TOO_MANY = sa.select(EVENT.c.serial).where(_MINE).order_by(EVENT.c.serial.desc()).offset(KEPT).limit(1)
TRIM = Prepared(sa.delete(EVENT).where(_MINE, EVENT.c.serial <= _FIRST_TOO_MANY.scalar_subquery()))
SETTLE = Prepared(
    sa.update(EVENT).where(_MINE, EVENT.c.revision <= sa.bindparam("until"), EVENT.c.how.is_(None)),
    ("how", "milliseconds", "reason"),
)
INSERT = insert(EVENT, *EVENT.c.keys())


@dataclass(frozen=True)
class Event:
    """One event: a request changed something, or the data plane applied or observed something by itself."""

    action: str  # create, update, delete, failover; apply; observe
    resource: str
    resource_id: str
    attributes: Mapping[str, Any] | None = None  # the attributes that a request gave
    user_id: str | None = None
    revision: int | None = None
    status: str | None = None  # the new operating status
    how: str | None = None
    milliseconds: int | None = None
    reason: str | None = None
    created_at: str = field(default_factory=lambda: now())


@dataclass(frozen=True)
class Outcome:
    """How a snapshot was applied: started, reloaded, runtime, stopped or nothing."""

    how: str
    milliseconds: float


def now() -> str:
    """Return the time in UTC, with milliseconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def record(tx: sa.Connection, loadbalancer_id: str, events: Sequence[Event]) -> None:
    """Add events to the history of a load balancer and delete the oldest beyond KEPT."""
    if not events:
        return
    now = time.time_ns()
    INSERT.run_each(
        tx,
        (
            _shortened(each) | {"id": str(uuid.uuid4()), "loadbalancer_id": loadbalancer_id, "serial": now + number}
            for number, each in enumerate(events[-KEPT:])
        ),
    )
    TRIM.run(tx, owner=loadbalancer_id)


def settle(tx: sa.Connection, loadbalancer_id: str, revision: int, outcome: Outcome | None, error: str | None) -> None:
    """Store with the changes up to a revision how they were applied, or why not.

    If there are no such changes, but something was applied, record an event of its own.
    """
    how = "refused" if error is not None else outcome.how if outcome else "nothing"
    milliseconds = math.ceil(outcome.milliseconds) if outcome else None
    values: dict[str, Any] = {"how": how, "milliseconds": milliseconds, "reason": error and error[:LONGEST]}
    changes = {"owner": loadbalancer_id, "until": revision}
    if SETTLE.run(tx, **changes, **values) == 0 and how != "nothing":
        record(tx, loadbalancer_id, [Event("apply", "loadbalancer", loadbalancer_id, **values)])


def forget(tx: sa.Connection, loadbalancer_id: str) -> None:
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
