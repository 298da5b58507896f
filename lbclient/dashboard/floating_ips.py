"""Floating IPs: list them, associate them with load balancers, release them."""

from __future__ import annotations

from ..client import errors
from ..client.rest import Json
from ..resources import LOADBALANCER
from .kinds import Link
from .visit import Reply, Visit

LIST = Link("Floating IPs", "/dashboard/floatingips")
LISTED = 500


def show(visit: Visit) -> Reply:
    return _page(visit)


def _page(visit: Visit, error: str = "", status: int = 200) -> Reply:
    network = visit.services.network
    found = network.get("/floatingips", {"limit": LISTED})["floatingips"]
    outside = network.get("/networks", {"router:external": "true"})["networks"]
    balancers = _balancers(visit)
    taken = {one["port_id"] for one in found}
    return visit.page(
        "floating_ips.html",
        status,
        found=found,
        by_port={one["vip_port_id"]: one for one in balancers},
        networks=[(one["id"], one["name"]) for one in outside],
        free=[one for one in balancers if one["vip_port_id"] not in taken],
        error=error,
    )


def _balancers(visit: Visit) -> list[Json]:
    return list(visit.api.list(LOADBALANCER, filters={"fields": ["id", "name", "vip_address", "vip_port_id"]}))


def create(visit: Visit) -> Reply:
    """Take a floating IP, and associate it with a load balancer if one is chosen."""
    values = {"floating_network_id": visit.value("network"), "port_id": visit.value("port")}
    try:
        made = visit.services.network.post("/floatingips", {"floatingip": {k: v for k, v in values.items() if v}})
    except errors.Refused as refusal:
        return _page(visit, refusal.words, refusal.status)
    return visit.redirect(LIST.path, f"Floating IP {made['floatingip']['floating_ip_address']} is yours.")


def associate(visit: Visit, id: str) -> Reply:
    """Associate a floating IP with another load balancer, or with none."""
    try:
        visit.services.network.put(f"/floatingips/{id}", {"floatingip": {"port_id": visit.value("port") or None}})
    except errors.Refused as refusal:
        return _page(visit, refusal.words, refusal.status)
    return visit.redirect(LIST.path, "The floating IP leads elsewhere now.")


def ask_delete(visit: Visit, id: str) -> Reply:
    one = visit.services.network.get(f"/floatingips/{id}")["floatingip"]
    leads = {each["vip_port_id"]: each["name"] or each["id"] for each in _balancers(visit)}.get(one["port_id"])
    return visit.page(
        "delete.html",
        kind="floating IP",
        name=one["floating_ip_address"],
        trail=[LIST],
        action=f"{LIST.path}/{id}/delete",
        back=LIST.path,
        lost=[f"The way from it to load balancer {leads}"] if leads else [],
        is_quota=False,
        error="",
    )


def delete(visit: Visit, id: str) -> Reply:
    visit.services.network.delete(f"/floatingips/{id}")
    return visit.redirect(LIST.path, "The floating IP is released.")
