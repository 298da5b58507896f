"""Waiting for a change to be done, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ..resources import BY_NAME, LISTENER, LOADBALANCER, POOL, Resource
from . import errors
from .api import Api, Parents
from .rest import Json

FIRST_PAUSE = 0.1
LAST_PAUSE = 3.0
GROWTH = 1.5
TIMEOUT = 300.0  # seconds, where nothing is said


class Deadline:
    """The moment at which waiting ends."""

    def __init__(self, seconds: float = TIMEOUT) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + seconds

    def pauses(self) -> Iterator[None]:
        """Yield at growing intervals until the time is over, and once at its end."""
        pause = FIRST_PAUSE
        yield
        while (left := self.end - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(pause * GROWTH, LAST_PAUSE)
            yield


def until_settled(
    api: Api, resource: Resource, record: Json, deadline: Deadline, parents: Parents | None = None
) -> Json:
    """The object when its change is done and its load balancer is free again. Raises Failed or TimedOut."""
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
    """Return when the object is deleted and its load balancer is free again. Raises Failed or TimedOut."""
    status = "provisioning_status" if "provisioning_status" in resource else "status"
    for _ in deadline.pauses():
        try:
            record = api.show(resource, id_, parents)
        except errors.NotFound:
            break
        if record[status] == "DELETED":
            break
        if record[status] == "ERROR":
            raise errors.Failed(f"Deleting {_name(resource, id_)} failed: its {status} is ERROR.")
    else:
        raise errors.TimedOut(f"{_name(resource, id_)} is still there after {deadline.seconds:g} seconds.")
    if loadbalancer and resource is not LOADBALANCER:
        _until_settled(api, LOADBALANCER, loadbalancer, deadline)


def while_busy(change: Callable[[], None], deadline: Deadline) -> None:
    """Make a change as soon as the load balancer is free for it. Raises Busy when the time is over."""
    refusal: errors.Busy | None = None
    for _ in deadline.pauses():
        try:
            return change()
        except errors.Busy as error:
            refusal = error
    if refusal:
        raise refusal


def loadbalancer_id(api: Api, resource: Resource, record: Json, parents: Parents | None = None) -> str:
    """The load balancer that an object belongs to; asks for what lies between them."""
    if resource is LOADBALANCER:
        return str(record["id"])
    if resource.parent:
        parent = BY_NAME[resource.parent]
        return loadbalancer_id(api, parent, api.show(parent, (parents or {})[f"{parent.name}_id"]))
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
            raise errors.Failed(f"The change failed: the provisioning_status of {_name(resource, id_)} is ERROR.")
        if status == "ACTIVE":
            return record
    raise errors.TimedOut(f"{_name(resource, id_)} is still {status} after {deadline.seconds:g} seconds.")


def _name(resource: Resource, id_: str) -> str:
    return f"{resource.title.lower().replace('l7', 'L7')} {id_}"
