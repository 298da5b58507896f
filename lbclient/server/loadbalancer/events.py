"""The events in the history of a load balancer, newest first."""

from __future__ import annotations

from dataclasses import replace

from ...resources import EVENT, LOADBALANCER
from ...store.observed_tables import EVENT as EVENTS
from ..services import Services
from ..web.routing import Answer, Request
from . import listing, policy, present

NEWEST_FIRST = (("serial", "desc"),)


def list_of(services: Services, request: Request, loadbalancer_id: str) -> Answer:
    """GET of the events of a load balancer, for every sender who may see the load balancer."""
    wanted = listing.page(EVENT, EVENTS, request.query)
    if not {"sort", "sort_key"} & dict(request.query).keys():
        wanted = replace(wanted, order=NEWEST_FIRST)
    with services.store.reading() as tx:
        policy.visible(services, tx, request.who, "loadbalancer:get_one", LOADBALANCER, loadbalancer_id)
        rows = listing.rows(tx, EVENT, EVENTS, wanted, {"loadbalancer_id": loadbalancer_id})
    links = listing.links(request, EVENT.path.format(loadbalancer_id=loadbalancer_id), wanted, rows)
    found = [present.plain(EVENT, row, wanted.fields) for row in rows]
    return Answer({EVENT.collection: found, f"{EVENT.collection}_links": links})
