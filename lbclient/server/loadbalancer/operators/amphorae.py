"""Amphorae: the HAProxy processes of each load balancer, as operators see them, and their failover to new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ....resources import AMPHORA, LOADBALANCER, STATISTICS
from ....store import departures, hosts, placing, reading, vip_groups
from ....store.cluster_tables import AMPHORA as AMPHORAS
from ....store.cluster_tables import HOST, SERVER, VIP_GROUP
from ....store.records import Record
from ....store.tables import LISTENER as LISTENERS
from ....store.tables import LOADBALANCER as LOADBALANCERS
from ...errors import NotFound
from ...services import Services
from ...web.routing import Answer, Request
from .. import listing, policy, present
from ..writes import transaction
from ..writes.transaction import Change

Values = dict[str, Any]

LB, A, G = LOADBALANCERS.c, AMPHORAS.c, VIP_GROUP.c
STATUSES = {"PENDING_CREATE": "PENDING_CREATE", "PENDING_DELETE": "PENDING_DELETE", "ERROR": "ERROR"}


def _nothing(kind: Any) -> sa.ColumnElement[Any]:
    return sa.cast(sa.null(), kind)


def _of_side(first: sa.ColumnElement[Any], second: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A column of the amphora's host in its group; null of an amphora that is the only one."""
    return sa.case((A.role == vip_groups.MASTER, first), (A.role == vip_groups.BACKUP, second))


OWN = sa.func.coalesce(_of_side(G.first_address, G.second_address), LB.vip_address)
OWN_CANONICAL = sa.func.coalesce(_of_side(G.first_address, G.second_address), LB.vip_address_canonical)
# One of two is in ERROR while its host is not heard, or could not apply the last change, or not in time: the other may
# serve well.
IS_DOWN = A.vip_group_id.is_not(None) & (A.fault.is_not(None) | A.late_revision.is_not(None) | ~hosts.is_heard())
IS_KEPT = (LB.provisioning_status != "PENDING_CREATE") & (LB.provisioning_status != "PENDING_DELETE")

# An amphora listens on the VIP itself. It is not a virtual machine; its address for management is that of the agent.
AMPHORAE = (
    sa.select(
        A.id,
        LB.id.label("loadbalancer_id"),
        sa.case((A.host_id != SERVER, A.host_id)).label("compute_id"),
        sa.case((A.host_id != SERVER, HOST.c.address)).label("lb_network_ip"),
        OWN.label("vrrp_ip"),
        LB.vip_address.label("ha_ip"),
        sa.case((A.host_id != SERVER, HOST.c.address)).label("lb_network_ip_canonical"),
        OWN_CANONICAL.label("vrrp_ip_canonical"),
        LB.vip_address_canonical.label("ha_ip_canonical"),
        LB.vip_port_id.label("vrrp_port_id"),
        LB.vip_port_id.label("ha_port_id"),
        _nothing(sa.Text).label("cert_expiration"),
        sa.false().label("cert_busy"),
        A.role,
        sa.case(
            (IS_KEPT & IS_DOWN, "ERROR"),
            (A.vip_group_id.is_not(None) & IS_KEPT, "ALLOCATED"),
            *((LB.provisioning_status == theirs, ours) for theirs, ours in STATUSES.items()),
            else_="ALLOCATED",
        ).label("status"),
        _of_side(G.first_interface, G.second_interface).label("vrrp_interface"),
        G.number.label("vrrp_id"),
        _of_side(*map(sa.literal, vip_groups.PRIORITIES)).label("vrrp_priority"),
        A.cached_zone,
        A.created_at,
        _nothing(sa.Text).label("updated_at"),
        _nothing(sa.Text).label("image_id"),
        A.compute_flavor,
        LB.project_id,
        LB.serial,
        A.host_id,
        A.vip_group_id,
    )
    .select_from(
        sa.join(AMPHORAS, LOADBALANCERS, A.loadbalancer_id == LB.id)
        .outerjoin(VIP_GROUP, A.vip_group_id == G.id)
        .outerjoin(HOST, A.host_id == HOST.c.id)
    )
    .subquery("amphora")
)


def list_all(services: Services, request: Request) -> Answer:
    """GET of all amphorae."""
    policy.check(services, request.who, "amphora:get_all")
    with services.store.reading() as tx:
        return listing.answer(tx, request, AMPHORA, AMPHORAE)


def show(services: Services, request: Request, id: str) -> Answer:
    """GET of one amphora."""
    policy.check(services, request.who, "amphora:get_one")
    row = _find(services, id)
    return Answer({AMPHORA.key: present.plain(AMPHORA, row, listing.fields(request.query))})


def statistics(services: Services, request: Request, id: str) -> Answer:
    """GET of the counters of each listener that an amphora serves."""
    policy.check(services, request.who, "amphora:get_stats")
    amphora = _find(services, id)
    owner = amphora.loadbalancer_id
    services.dataplane.observe(owner)
    mine = LISTENERS.c.loadbalancer_id == owner
    with services.store.reading() as tx:
        listeners = tx.scalars(sa.select(LISTENERS.c.id).where(mine).order_by(LISTENERS.c.serial)).all()
        counted = reading.totals(tx, mine, amphora.host_id if amphora.vip_group_id else None)
    if not listeners:
        raise NotFound.named("Amphora stats for", id)
    nothing = dict.fromkeys(STATISTICS, 0)
    return Answer(
        {
            "amphora_stats": [
                {**counted.get(each, nothing), "id": id, "listener_id": each, "loadbalancer_id": owner}
                for each in listeners
            ]
        }
    )


def configure(services: Services, request: Request, id: str) -> Answer:
    """PUT: reconcile the load balancer of the amphora, so that it runs with the wanted configuration."""
    policy.check(services, request.who, "amphora:put_config")
    services.dataplane.wake(_find(services, id).loadbalancer_id)
    return Answer(None, 202)


def fail_over(services: Services, request: Request, id: str) -> Answer:
    """PUT: replace this amphora by a new one; if its host has addresses that two share, the other gets them."""
    policy.check(services, request.who, "amphora:put_failover")
    _replace(services, _find(services, id).loadbalancer_id, [id], who=request.who)
    return Answer(None, 202)


def fail_over_loadbalancer(services: Services, request: Request, id: str) -> Answer:
    """PUT: replace the amphorae of the load balancer by new ones; of two hosts, the other gets the addresses."""
    with services.store.reading() as tx:
        policy.visible(services, tx, request.who, "loadbalancer:put_failover", LOADBALANCER, id)
        amphorae = placing.amphorae(tx, id)
    _replace(services, id, [each.id for each in amphorae], busy=transaction.BUSY_LOADBALANCER, who=request.who)
    return Answer(None, 202)


def delete(services: Services, request: Request, id: str) -> Answer:
    """DELETE of an amphora in ERROR: its load balancer gets a new one."""
    policy.check(services, request.who, "amphora:delete")
    owner = _find(services, id).loadbalancer_id
    busy = f"amphora {id} is immutable and cannot be updated."
    _replace(services, owner, [id], mutable=("ERROR",), busy=busy, who=request.who)
    return Answer(None, 204)


def _find(services: Services, id_: str) -> Record:
    """Return the row of an amphora. Raises NotFound."""
    with services.store.reading() as tx:
        row = tx.execute(sa.select(AMPHORAE).where(AMPHORAE.c.id == id_)).one_or_none()
    if row is None:
        raise NotFound.named(AMPHORA.title, id_)
    return row


def _replace(services: Services, loadbalancer_id: str, amphora_ids: Sequence[str], **conditions: Any) -> None:
    """Replace amphorae on their hosts, unless a concurrent request has already replaced them. Raises Conflict."""

    def operation(change: Change, wanted: Sequence[str]) -> None:
        known = {each.id: each for each in placing.amphorae(change.tx, loadbalancer_id)}
        if known.keys() >= set(wanted):
            for id_ in wanted:
                departures.fail_over(change.tx, known[id_])
                placing.renew(change.tx, id_)
            change.touch_loadbalancer()
            change.note("failover", LOADBALANCER.name, loadbalancer_id)

    transaction.change(services, lambda tx: (loadbalancer_id, amphora_ids), operation, **conditions)
