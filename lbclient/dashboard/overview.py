"""The list of all load balancers that one may see: searched, filtered, sorted, and in pages."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ..client import errors
from ..client.rest import Json
from ..resources import LOADBALANCER
from ..resources.shared import OPERATING_STATUSES
from .visit import Reply, Visit

PAGE = 50
FIELDS = (
    "id",
    "name",
    "description",
    "vip_address",
    "vip_port_id",
    "project_id",
    "operating_status",
    "provisioning_status",
    "admin_state_up",
    "provider",
    "created_at",
)
SEARCHED = ("name", "id", "vip_address", "description")
SORTS = {"name": "Name", "operating_status": "Status", "vip_address": "VIP", "created_at": "Created"}
# The most urgent first.
URGENCY = ("ERROR", "DEGRADED", "DRAINING", "OFFLINE", "NO_MONITOR", "ONLINE")


@dataclass(frozen=True)
class Wanted:
    """The search, filter, order and page of a list."""

    words: str
    status: str
    sort: str
    is_falling: bool
    page: int

    def query(self, **changes: Any) -> str:
        """Return the query of a page with other values, without those that are usual."""
        given = {"q": self.words, "status": self.status, "sort": self.sort, "page": self.page} | changes
        given = {"falling": "1" if self.is_falling else "", **given}
        usual = {"sort": "name", "page": 1}
        kept = {name: value for name, value in given.items() if value and value != usual.get(name)}
        return f"?{urlencode(kept)}" if kept else ""


def show(visit: Visit) -> Reply:
    """Show the page, or, for a page that is open, the rows alone."""
    wanted = _wanted(visit)
    every = list(visit.api.list(LOADBALANCER, filters={"fields": list(FIELDS)}))
    found = sorted(_matching(every, wanted), key=lambda one: _key(one, wanted.sort), reverse=wanted.is_falling)
    count = max(1, -(-len(found) // PAGE))
    page = min(wanted.page, count)
    rows = found[(page - 1) * PAGE : page * PAGE]
    # The first paint does not wait for counters: the page asks for them itself, at once.
    traffic = visit.parts.rates.of(visit.api, [one["id"] for one in rows]) if visit.is_fragment else {}
    return visit.page(
        "overview_rows.html" if visit.is_fragment else "overview.html",
        wanted=wanted,
        rows=rows,
        traffic=traffic,
        floating=_floating_ips(visit, rows),
        projects=_projects(visit, rows),
        total=len(every),
        matching=len(found),
        page=page,
        pages=count,
        first=(page - 1) * PAGE + 1 if rows else 0,
        last=(page - 1) * PAGE + len(rows),
        sorts=SORTS,
        statuses=OPERATING_STATUSES,
        counts=_counts(every),
        can_create=visit.may("loadbalancer:post"),
    )


def _wanted(visit: Visit) -> Wanted:
    status, sort, page = visit.query("status"), visit.query("sort"), visit.query("page")
    return Wanted(
        words=visit.query("q").strip()[:200],
        status=status if status in OPERATING_STATUSES else "",
        sort=sort if sort in SORTS else "name",
        is_falling=visit.query("falling") == "1",
        page=max(1, int(page)) if page.isdecimal() and len(page) < 7 else 1,
    )


def _matching(every: Sequence[Json], wanted: Wanted) -> list[Json]:
    words = wanted.words.casefold().split()
    return [
        one
        for one in every
        if (not wanted.status or one["operating_status"] == wanted.status)
        and all(any(word in str(one[name] or "").casefold() for name in SEARCHED) for word in words)
    ]


def _key(one: Json, sort: str) -> Any:
    if sort == "operating_status":
        status = one[sort]
        return (URGENCY.index(status) if status in URGENCY else len(URGENCY), str(one["name"]).casefold())
    if sort == "vip_address":
        return [word.zfill(5) for word in str(one[sort]).replace(":", ".").split(".")]
    return str(one[sort]).casefold()


def _counts(every: Sequence[Json]) -> dict[str, int]:
    found = dict.fromkeys(OPERATING_STATUSES, 0)
    for one in every:
        found[one["operating_status"]] = found.get(one["operating_status"], 0) + 1
    return {status: number for status, number in found.items() if number}


def _floating_ips(visit: Visit, rows: Sequence[Json]) -> dict[str, str]:
    """Return the floating IPs of the rows by the port of their VIP."""
    ports = [one["vip_port_id"] for one in rows if one["vip_port_id"]]
    if not ports:
        return {}
    with suppress(errors.Error):  # the list is of use without them
        found = visit.services.network.get(
            "/floatingips", {"port_id": ports, "fields": ["port_id", "floating_ip_address"]}
        )["floatingips"]
        return {str(one["port_id"]): str(one["floating_ip_address"]) for one in found}
    return {}


def _projects(visit: Visit, rows: Sequence[Json]) -> dict[str, str]:
    """Return the names of projects by their IDs, if the rows are of several projects; else nothing."""
    ids = {one["project_id"] for one in rows}
    if not ids - {visit.session.project.id}:
        return {}
    names = {project.id: project.name for project in visit.session.projects}
    if ids - names.keys():
        with suppress(errors.Error):
            names |= {each["id"]: each["name"] for each in visit.services.identity.get("/projects")["projects"]}
    return {id_: names.get(id_, id_) for id_ in ids}
