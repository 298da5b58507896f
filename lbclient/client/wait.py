"""Waiting for a change to finish, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..resources import BY_NAME, LISTENER, LOADBALANCER, POOL, Resource
from . import errors
from .api import Api, Parents
from .names import KINDS
from .rest import Json

T = TypeVar("T")

Report = Callable[[str, float], None]  # called with the awaited state and the elapsed seconds

FIRST_PAUSE = 0.01  # seconds
LAST_PAUSE = 3.0  # seconds
GROWTH = 1.5  # factor from one pause to the next
TIMEOUT = 300.0  # seconds, by default
TICK = 0.25  # seconds between two reports


class Deadline:
    """The time at which waiting ends. Progress is reported to a callback."""

    def __init__(self, seconds: float = TIMEOUT, report: Report | None = None) -> None:
        self.seconds = seconds
        self.start = time.monotonic()
        self.end = self.start + seconds
        self._report = report
        self._text = ""

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.end

    def pauses(self, longest: float = LAST_PAUSE) -> Iterator[None]:
        """Yield at growing intervals until the time is over, and once at its end."""
        pause = FIRST_PAUSE
        yield
        while (left := self.end - time.monotonic()) > 0:
            self._sleep(min(pause, left))
            pause = min(pause * GROWTH, longest)
            yield

    def tell(self, text: str) -> None:
        """Report what is being waited for."""
        self._text = text
        if self._report:
            self._report(text, self.elapsed)

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, TICK) if self._report else left)
            if self._report and self._text:
                self._report(self._text, self.elapsed)


def until_settled(
    api: Api, resource: Resource, record: Json, deadline: Deadline, parents: Parents | None = None
) -> Json:
    """Wait until the object is ACTIVE and its load balancer is too; return the object. Raises Failed or TimedOut."""
    settled = _until_settled(api, resource, record["id"], deadline, parents)
    if resource is not LOADBALANCER:
        _until_settled(api, LOADBALANCER, loadbalancer_id(api, resource, settled, parents), deadline)
    return settled


def until_gone(
    api: Api,
    resource: Resource,
    id_: str,
    deadline: Deadline,
    parents: Parents | None = None,
    loadbalancer: str | None = None,
) -> None:
    """Wait until the object is deleted and its load balancer is ACTIVE again. Raises Failed or TimedOut."""
    status = "provisioning_status" if "provisioning_status" in resource else "status"
    for _ in deadline.pauses():
        try:
            record = api.show(resource, id_, parents)
        except errors.NotFound:
            break
        deadline.tell(f"{_called(resource, record)}: {record[status]}")
        if record[status] == "DELETED":
            break
        if record[status] == "ERROR":
            why = _why(api, resource, record, parents)
            raise errors.Failed(f"Deleting {_name(resource, id_)} failed: its {status} is ERROR.{why}")
    else:
        raise errors.TimedOut(f"{_name(resource, id_)} is still there after {deadline.seconds:g} seconds.")
    if loadbalancer and resource is not LOADBALANCER:
        _until_settled(api, LOADBALANCER, loadbalancer, deadline)


def while_busy(api: Api, change: Callable[[], T], deadline: Deadline) -> T:
    """Make a change as soon as the load balancer is not busy, and return its result.

    Raises Busy when the time is over, or at once if waiting cannot help.
    """
    from . import reasons  # imported here, because few commands wait

    refusal: errors.Busy | None = None
    for _ in deadline.pauses():
        try:
            return change()
        except errors.Busy as error:
            if refusal is None and not reasons.can_pass(api, error):
                raise
            refusal = error
            deadline.tell("the load balancer is busy with another change")
    assert refusal  # the loop runs at least once
    raise refusal


def loadbalancer_id(api: Api, resource: Resource, record: Json, parents: Parents | None = None) -> str:
    """Return the ID of the load balancer that an object belongs to, fetching the objects in between."""
    if resource is LOADBALANCER:
        return str(record["id"])
    if resource.parent:
        parent = BY_NAME[resource.parent]
        return loadbalancer_id(api, parent, api.show(parent, (parents or {})[f"{parent.name}_id"]))
    if record.get("loadbalancer_id"):
        return str(record["loadbalancer_id"])
    if record.get("loadbalancers"):
        return str(record["loadbalancers"][0]["id"])
    if record.get("listener_id"):
        return loadbalancer_id(api, LISTENER, api.show(LISTENER, record["listener_id"]))
    return loadbalancer_id(api, POOL, api.show(POOL, record["pools"][0]["id"]))


def _until_settled(api: Api, resource: Resource, id_: str, deadline: Deadline, parents: Parents | None = None) -> Json:
    status = "unknown"
    for _ in deadline.pauses():
        record = api.show(resource, id_, parents)
        status = record["provisioning_status"]
        if status == "ERROR":
            why = _why(api, resource, record, parents)
            raise errors.Failed(f"The change failed: the provisioning_status of {_name(resource, id_)} is ERROR.{why}")
        if status == "ACTIVE":
            return record
        deadline.tell(f"{_called(resource, record)}: {status}")
    raise errors.TimedOut(f"{_name(resource, id_)} is still {status} after {deadline.seconds:g} seconds.")


def _why(api: Api, resource: Resource, record: Json, parents: Parents | None) -> str:
    """Return the reason of a failure as a further sentence; "" if it is unknown."""
    from . import reasons  # imported here, because few commands wait

    try:
        found = reasons.failure(api, loadbalancer_id(api, resource, record, parents))
    except (errors.Error, LookupError):
        return ""
    return f" {found}" if found else ""


def _called(resource: Resource, record: Json) -> str:
    return f"{KINDS[resource.name].title} {record.get('name') or record['id']}"


def _name(resource: Resource, id_: str) -> str:
    return f"{KINDS[resource.name].title} {id_}"
