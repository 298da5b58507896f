"""The page of one load balancer: its picture, its parts with their statuses, its traffic and its history."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from ..cli.output.drawing import diagram, svg
from ..client import drain_tags, errors, tree
from ..client.rest import Json
from ..resources import AMPHORA, EVENT, LISTENER, LOADBALANCER, MEMBER, POOL
from ..resources.logging import LOGGING
from ..server.web.asgi import STREAM
from . import rates
from .kinds import called, path
from .visit import Reply, Visit

ALL_PATH = "/lbaas/events"
STREAM_HEADERS = ("content-type", "x-accel-buffering")
EVENTS = 50
LINES = 30  # of the traffic log
COUNTED = 30  # members whose open connections are shown


def show(visit: Visit, id: str) -> Reply:
    one = visit.api.show(LOADBALANCER, id)
    at = path(LOADBALANCER, {}, id)
    return visit.page(
        "balancer.html",
        one=one,
        name=called(LOADBALANCER, one),
        at=at,
        floating=_floating_ip(visit, one),
        can_change=visit.may("loadbalancer:put"),
        can_delete=visit.may("loadbalancer:delete"),
        can_fail_over=visit.may("loadbalancer:put_failover"),
        **_live(visit, one),
        **_events(visit, id),
        **_log(visit, id),
    )


def live(visit: Visit, id: str) -> Reply:
    """The part of the page that changes with the load balancer."""
    one = visit.api.show(LOADBALANCER, id)
    return visit.page("balancer_live.html", one=one, at=path(LOADBALANCER, {}, id), **_live(visit, one))


def happened(visit: Visit, id: str) -> Reply:
    """The part of the page with the last events."""
    return visit.page("balancer_events.html", at=path(LOADBALANCER, {}, id), **_events(visit, id))


def samples(visit: Visit, id: str) -> Reply:
    """The counters of this moment, for the graphs."""
    return visit.json({"at": time.time(), **rates.counters(visit.api, id)})


def logged(visit: Visit, id: str) -> Reply:
    """The part of the page with the last lines of the traffic log. Raises Refused where it may not be seen."""
    visit.api.show(LOADBALANCER, id)
    return visit.page("balancer_log.html", at=path(LOADBALANCER, {}, id), **_log(visit, id))


def set_logging(visit: Visit, id: str) -> Reply:
    """Log the traffic of a load balancer, or stop that."""
    is_on = visit.value("logging") == "on"
    visit.services.loadbalancer.put(f"{_logged_path(id)}/logging", {LOGGING.key: {"enabled": is_on}})
    return visit.redirect(
        path(LOADBALANCER, {}, id), "Traffic is logged." if is_on else "Traffic is not logged any more."
    )


def _log(visit: Visit, id_: str) -> dict[str, Any]:
    """Return the last lines, the newest first, and whether traffic is logged; nothing for those who may not see it."""
    with suppress(errors.Refused):
        found = visit.services.loadbalancer.get(f"{_logged_path(id_)}/logs", {"limit": LINES})["logs"]
        setting = visit.services.loadbalancer.get(f"{_logged_path(id_)}/logging")[LOGGING.key]
        return {"lines": found[::-1], "is_logged": setting["enabled"], "can_log": visit.may("loadbalancer:put")}
    return {"lines": [], "is_logged": False, "can_log": False}


def _logged_path(id_: str) -> str:
    return f"{LOADBALANCER.path}/{quote(id_, safe='')}"


def _live(visit: Visit, one: Json) -> dict[str, Any]:
    whole = tree.read(visit.api, one)
    statuses = visit.api.status(LOADBALANCER, str(one["id"]))["loadbalancer"]
    performance = _performance(visit, str(one["id"]))
    return {
        "picture": Markup("\n".join(svg.draw(diagram.of(whole), is_styled=False))),  # it escapes its texts itself
        "whole": whole,
        "fault": statuses.get("fault"),
        "checks": _checks(statuses),
        "performance": performance or {},
        # The proxy that does not answer the one question would not answer one for each member either.
        "open_connections": {} if performance is None else _open_connections(visit, whole),
        "member_path": lambda pool, member: path(MEMBER, {"pool_id": pool["id"]}, member["id"]),
        "part_path": lambda kind, part: path({"listener": LISTENER, "pool": POOL}[kind], {}, part["id"]),
        "called": lambda kind, part: called({"listener": LISTENER, "pool": POOL, "member": MEMBER}[kind], part),
        "is_drained": lambda member: member.get("weight") == 0,
        "can_drain": visit.may("member:put"),
        "can_add": visit.may("listener:post"),
    }


def _checks(statuses: Json) -> dict[str, Mapping[str, str]]:
    """Return what the last check of each member said, by the member's ID."""
    pools = [pool for listener in statuses["listeners"] for pool in listener["pools"]]
    members = [member for pool in pools for member in pool["members"]]
    return {member["id"]: member["last_check"] for member in members if member.get("last_check")}


def _performance(visit: Visit, id_: str) -> Json | None:
    """Return requests and response times by the ID of a part; None if the proxy does not report them."""
    with suppress(errors.Refused):
        return visit.api.performance(id_)
    return None


def _open_connections(visit: Visit, whole: Json) -> dict[str, int]:
    """Return the open connections of the members, those first that are drained."""
    members = [(pool["id"], member) for pool in whole["pools"] for member in pool["members"]]
    members.sort(key=lambda pair: pair[1].get("weight") != 0)
    found = {}
    for pool_id, member in members[:COUNTED]:
        with suppress(errors.Refused):  # the proxy is not running
            count = visit.api.connections(pool_id, member["id"])
            if count is not None:
                found[str(member["id"])] = count
    return found


def _events(visit: Visit, id_: str) -> dict[str, Any]:
    page = visit.services.loadbalancer.get(EVENT.path.format(loadbalancer_id=id_), {"limit": EVENTS})
    return {"events": page[EVENT.collection]}


def _floating_ip(visit: Visit, one: Json) -> str:
    with suppress(errors.Error):
        found = visit.services.network.get("/floatingips", {"port_id": one["vip_port_id"]})["floatingips"]
        return str(found[0]["floating_ip_address"]) if found else ""
    return ""


def events(visit: Visit) -> Reply:
    """The stream of the events of all load balancers that one may see, which the API sends."""
    answer = visit.calls.request(
        f"{visit.services.loadbalancer.base}{ALL_PATH}?follow",
        "GET",
        headers={"Accept": "text/event-stream", **_last_event(visit)},
    )
    stream = answer.environ.get(STREAM)
    if stream is None:
        return Reply(status=204)  # which ends the browser's attempts
    headers = {name: answer.headers[name] for name in STREAM_HEADERS if name in answer.headers}
    return Reply(headers=headers, stream=stream)


def _last_event(visit: Visit) -> dict[str, str]:
    last = visit.http.get_header("Last-Event-ID")
    return {"Last-Event-ID": last} if last else {}


def fail_over(visit: Visit, id: str) -> Reply:
    """Put a new proxy in place of a load balancer's own."""
    visit.api.failover(LOADBALANCER, id)
    return visit.redirect(path(LOADBALANCER, {}, id), "The failover has begun.")


def drain(visit: Visit, pool_id: str, id: str) -> Reply:
    """Give a member no new connections; its weight before is kept in a tag."""
    parents = {"pool_id": pool_id}
    member = visit.api.show(MEMBER, id, parents)
    if member["weight"]:
        tags = drain_tags.with_weight(member["tags"], member["weight"])
        visit.api.update(MEMBER, id, {"weight": 0, "tags": tags}, parents)
    return _to_balancer(visit, pool_id, f"Member {called(MEMBER, member)} is being drained.")


def undrain(visit: Visit, pool_id: str, id: str) -> Reply:
    """Give a drained member its weight again."""
    parents = {"pool_id": pool_id}
    member = visit.api.show(MEMBER, id, parents)
    if member["weight"] == 0:
        weight = drain_tags.weight_before(member["tags"])
        tags = drain_tags.without_drain_tags(member["tags"])
        visit.api.update(MEMBER, id, {"weight": 1 if weight is None else weight, "tags": tags}, parents)
    return _to_balancer(visit, pool_id, f"Member {called(MEMBER, member)} gets connections again.")


def _to_balancer(visit: Visit, pool_id: str, notice: str) -> Reply:
    pool = visit.api.show(POOL, pool_id)
    return visit.redirect(path(LOADBALANCER, {}, str(pool["loadbalancers"][0]["id"])), notice)


def fail_over_amphora(visit: Visit, id: str) -> Reply:
    visit.api.failover(AMPHORA, id)
    return visit.redirect(path(AMPHORA), "The failover has begun.")


def configure_amphora(visit: Visit, id: str) -> Reply:
    visit.api.configure(id)
    return visit.redirect(path(AMPHORA, {}, id), "The amphora is being configured again.")
