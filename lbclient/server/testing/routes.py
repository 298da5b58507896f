"""The routes of the testing API. They need no token: if they are enabled, the server listens on loopback only."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from ...resources import Resource
from ...resources.testing import FAULT, PACE, PRESETS
from .. import errors
from ..services import Services
from ..web.routing import Answer, Request, Route
from . import bodies, health, projects, queries, worlds
from .kit import Kit

MOUNT = "/testing/v1"


def kit(services: Services) -> Kit:
    """Return the testing kit, which always exists where these routes do."""
    assert services.testing is not None
    return services.testing


def _collection(services: Services, resource: Resource) -> Any:
    return kit(services).faults if resource is FAULT else kit(services).paces


def list_of(resource: Resource) -> Callable[..., Answer]:
    def handler(services: Services, request: Request) -> Answer:
        return Answer({resource.collection: _collection(services, resource).all()})

    return handler


def show(resource: Resource) -> Callable[..., Answer]:
    def handler(services: Services, request: Request, id: str) -> Answer:
        found = _collection(services, resource).find(id)
        if found is None:
            raise errors.NotFound.named(resource.title, id)
        return Answer({resource.key: found})

    return handler


def delete(resource: Resource) -> Callable[..., Answer]:
    def handler(services: Services, request: Request, id: str) -> Answer:
        if not _collection(services, resource).remove([id]):
            raise errors.NotFound.named(resource.title, id)
        return Answer(None, 204)

    return handler


def clear(resource: Resource) -> Callable[..., Answer]:
    def handler(services: Services, request: Request) -> Answer:
        _collection(services, resource).remove()
        return Answer(None, 204)

    return handler


def create_fault(services: Services, request: Request) -> Answer:
    """POST of a fault."""
    values = bodies.fault(request.body, kit(services).kinds)
    projects.check(services, values["project"])
    return Answer({FAULT.key: kit(services).faults.add(values)}, 201)


def create_pace(services: Services, request: Request) -> Answer:
    """POST of a pace, or of a preset, which consists of several paces."""
    paces = kit(services).paces
    preset = bodies.preset(request.body, PRESETS)
    if preset is not None:
        return Answer({PACE.collection: [paces.add(values) for values in preset]}, 201)
    values = bodies.pace(request.body)
    worlds.check_loadbalancer(services, values["loadbalancer_id"])
    return Answer({PACE.key: paces.add(values)}, 201)


def release(services: Services, request: Request) -> Answer:
    """POST: end the hold of one load balancer, or all holds."""
    given = bodies.attributes(request.body, "release", ("loadbalancer_id",))
    loadbalancer_id = bodies.text("loadbalancer_id", given.get("loadbalancer_id"))
    worlds.check_loadbalancer(services, loadbalancer_id)
    return Answer({"release": {"released": kit(services).paces.release(loadbalancer_id)}})


def recorded(services: Services, request: Request) -> Answer:
    """GET of the last requests, filtered by attributes in the query. Raises BadRequest."""
    return Answer({"requests": kit(services).recording.find(queries.filters(request.query))})


def forget_recorded(services: Services, request: Request) -> Answer:
    """DELETE of the last requests."""
    kit(services).recording.clear()
    return Answer(None, 204)


def set_member(services: Services, request: Request, id: str) -> Answer:
    """PUT of the operating status that a no-op provider reports for a member."""
    given = bodies.attributes(request.body, "member", ("operating_status",))
    if not given:
        raise bodies.invalid("member", given, "Value should have the attribute operating_status")
    status = given["operating_status"]
    if status is not None and status not in health.STATUSES:
        allowed = ", ".join(health.STATUSES)
        raise bodies.invalid("operating_status", status, f"Value should be null or one of: {allowed}")
    worlds.set_health(services, kit(services), id, status)
    return Answer({"member": {"id": id, "operating_status": status}})


def kill_amphora(services: Services, request: Request, id: str) -> Answer:
    """POST: kill the HAProxy process of an amphora, as in a crash."""
    return Answer({"amphora": {"id": id, "killed": worlds.kill(services, id)}})


def reset(services: Services, request: Request) -> Answer:
    """POST: restore the state of the first start, or of a snapshot, and remove faults, paces and recorded requests."""
    given = _optional(request.body, "reset", ("snapshot",))
    name = bodies.text("snapshot", given.get("snapshot")) or worlds.INITIAL
    worlds.restore(services, kit(services), name, keeps_paces=False)
    kit(services).faults.remove()
    kit(services).recording.clear()
    return Answer(None, 204)


def list_snapshots(services: Services, request: Request) -> Answer:
    """GET of the names of the snapshots."""
    return Answer({"snapshots": [{"name": name} for name in kit(services).snapshots.names()]})


def save_snapshot(services: Services, request: Request, name: str) -> Answer:
    """PUT: save a snapshot under a name. Raises Conflict for the snapshot that reset restores."""
    if name == worlds.INITIAL:
        raise errors.Conflict(f"Snapshot {name} cannot be overwritten: reset needs it.")
    worlds.save(services, kit(services), name)
    return Answer({"snapshot": {"name": name}}, 201)


def restore_snapshot(services: Services, request: Request, name: str) -> Answer:
    """POST: restore a snapshot; the data plane then reconciles all load balancers."""
    worlds.restore(services, kit(services), name)
    return Answer(None, 204)


def delete_snapshot(services: Services, request: Request, name: str) -> Answer:
    """DELETE of a snapshot."""
    if name == worlds.INITIAL:
        raise errors.Conflict(f"Snapshot {name} cannot be deleted: reset needs it.")
    kit(services).snapshots.delete(name)
    return Answer(None, 204)


def create_project(services: Services, request: Request) -> Answer:
    """POST: create a project with a user and a token."""
    given = _optional(request.body, "project", ("name", "roles"))
    return Answer({"project": projects.create(services, request, given)}, 201)


def delete_project(services: Services, request: Request, id: str) -> Answer:
    """DELETE of a project with its load balancers, whatever their status."""
    projects.delete(services, id)
    return Answer(None, 204)


def overview(services: Services, request: Request) -> Answer:
    """GET of the numbers of faults, paces, recorded requests and snapshots."""
    mine = kit(services)
    counts = {
        "faults": len(mine.faults.all()),
        "paces": len(mine.paces.all()),
        "requests": mine.recording.count(),
        "snapshots": len(mine.snapshots.names()),
    }
    return Answer({"testing": counts})


def _optional(body: Any, key: str, known: Collection[str]) -> dict[str, Any]:
    return {} if body in (None, {}) else bodies.attributes(body, key, known)


def _strict(route: Route) -> Route:
    """Return the route with a handler that refuses all query parameters, and a body where none is read."""

    def handler(services: Services, request: Request, **arguments: str) -> Answer:
        queries.refuse(request.query)
        if route.handler in WITHOUT_BODY:
            bodies.nothing(request.body)
        return route.handler(services, request, **arguments)

    return replace(route, handler=handler)


def _of(resource: Resource, create: Callable[..., Answer]) -> tuple[Route, ...]:
    one = f"{resource.path}/{{id}}"
    return (
        Route("GET", resource.path, list_of(resource), is_open=True),
        Route("POST", resource.path, create, is_open=True),
        Route("DELETE", resource.path, clear(resource), is_open=True),
        Route("GET", one, show(resource), is_open=True),
        Route("DELETE", one, delete(resource), is_open=True),
    )


_ROUTES = (
    Route("GET", "", overview, is_open=True),
    *_of(FAULT, create_fault),
    *_of(PACE, create_pace),
    Route("POST", "/release", release, is_open=True),
    Route("GET", "/requests", recorded, is_open=True),
    Route("DELETE", "/requests", forget_recorded, is_open=True),
    Route("PUT", "/members/{id}", set_member, is_open=True),
    Route("POST", "/amphorae/{id}/kill", kill_amphora, is_open=True, waits=True),
    Route("POST", "/reset", reset, is_open=True, waits=True),
    Route("GET", "/snapshots", list_snapshots, is_open=True),
    Route("PUT", "/snapshots/{name}", save_snapshot, is_open=True, waits=True),
    Route("POST", "/snapshots/{name}/restore", restore_snapshot, is_open=True, waits=True),
    Route("DELETE", "/snapshots/{name}", delete_snapshot, is_open=True),
    Route("POST", "/projects", create_project, is_open=True),
    Route("DELETE", "/projects/{id}", delete_project, is_open=True, waits=True),
)

WITHOUT_BODY = (kill_amphora, save_snapshot, restore_snapshot)
ROUTES = tuple(route if route.handler is recorded else _strict(route) for route in _ROUTES)
