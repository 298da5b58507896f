"""Traffic counters of load balancers and listeners, as in Octavia, and of pools and members.

Every request first reads the current counters from HAProxy.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...resources import LISTENER, LOADBALANCER, MEMBER, POOL, STATISTICS, Resource
from ...store import observing, reading
from ...store.records import Record
from ...store.tables import LISTENER as LISTENERS
from ..errors import Unavailable
from ..services import Services
from ..web.routing import Answer, Handler, Request
from . import policy

# Octavia's policy has no action for the counters of pools and members: get_one permits them.
ACTIONS = {
    LOADBALANCER.name: "loadbalancer:get_stats",
    LISTENER.name: "listener:get_stats",
    POOL.name: "pool:get_one",
    MEMBER.name: "member:get_one",
}


def of(resource: Resource) -> Handler:
    """GET of the counters of a load balancer (the sum over its listeners), a listener or a pool."""

    def handler(services: Services, request: Request, id: str) -> Answer:
        row = _looked_at(services, request, resource, id)
        with services.store.reading() as tx:
            return Answer({"stats": _counted(tx, resource, row)})

    return handler


def of_member(services: Services, request: Request, pool_id: str, id: str) -> Answer:
    """GET of the counters of a member, with its active connections, which clients poll while they drain it.

    Raises Unavailable if HAProxy does not report the active connections.
    """
    row = _looked_at(services, request, MEMBER, id, pool_id=pool_id)
    active = services.dataplane.active_connections(row.loadbalancer_id, pool_id, id)
    if active is None:
        raise Unavailable(f"The proxy of load balancer {row.loadbalancer_id} does not answer.")
    with services.store.reading() as tx:
        return Answer({"stats": {**_counted(tx, MEMBER, row), "active_connections": active}})


def performance(services: Services, request: Request, id: str) -> Answer:
    """GET of the requests and response times of a load balancer and all its parts, by their IDs.

    Raises Unavailable if HAProxy does not report them.
    """
    with services.store.reading() as tx:
        policy.visible(services, tx, request.who, ACTIONS[LOADBALANCER.name], LOADBALANCER, id)
    found = services.dataplane.performance(id)
    if found is None:
        raise Unavailable(f"The proxy of load balancer {id} does not answer.")
    return Answer({"performance": found})


def _looked_at(services: Services, request: Request, resource: Resource, id_: str, **parents: str) -> Record:
    with services.store.reading() as tx:
        row = policy.visible(services, tx, request.who, ACTIONS[resource.name], resource, id_, **parents)
    services.dataplane.observe(row.id if resource is LOADBALANCER else row.loadbalancer_id)
    return row


def _counted(tx: sa.Connection, resource: Resource, row: Record) -> dict[str, Any]:
    if resource in (POOL, MEMBER):
        return observing.part_totals(tx, row.id)
    column = LISTENERS.c.id if resource is LISTENER else LISTENERS.c.loadbalancer_id
    totals = reading.totals(tx, column == row.id).values()
    return {name: sum(each[name] for each in totals) for name in STATISTICS}
