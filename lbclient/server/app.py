"""The whole HTTP surface, and the one place where errors become answers."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from types import ModuleType
from typing import Any

import falcon
import orjson

from ..resources import ALL, AMPHORA, LISTENER, LOADBALANCER, OFFERS, PROVIDER, Resource
from ..resources.provider import CAPABILITIES
from . import amphorae, batch, capabilities, errors, handlers, offers, quotas
from .discovery import version, versions
from .forwarded import Forwarded
from .http import ANONYMOUS, Answer, Body, Request, Route, Services
from .identity.routes import ROUTES as IDENTITY
from .keymanager.routes import ROUTES as KEY_MANAGER
from .network.routes import ROUTES as NETWORKING
from .sender import sender

Wsgi = Any  # a Falcon application; its type takes parameters that nobody needs

LOG = logging.getLogger(__name__)

BODY_MAXIMUM = 4 * 1024 * 1024  # bytes
JSON_TYPES = ("application/json", "")


def _resource_routes(resource: Resource, verbs: ModuleType = handlers) -> list[Route]:
    one = f"{resource.path}/{{id}}"
    create = handlers.create_loadbalancer if resource is LOADBALANCER else verbs.create(resource)
    return [
        Route("GET", resource.path, verbs.list_of(resource)),
        Route("POST", resource.path, create),
        Route("GET", one, verbs.show(resource)),
        Route("PUT", one, verbs.update(resource)),
        Route("DELETE", one, verbs.delete(resource)),
    ]


LOAD_BALANCING = (
    *(route for resource in ALL for route in _resource_routes(resource)),
    Route("GET", "/lbaas/loadbalancers/{id}/stats", handlers.statistics(LOADBALANCER)),
    Route("GET", "/lbaas/loadbalancers/{id}/status", handlers.show_status),
    Route("GET", "/lbaas/loadbalancers/{id}/statuses", handlers.show_status),
    Route("PUT", "/lbaas/loadbalancers/{id}/failover", amphorae.fail_over_loadbalancer),
    Route("GET", "/lbaas/listeners/{id}/stats", handlers.statistics(LISTENER)),
    Route("PUT", "/lbaas/pools/{pool_id}/members", batch.update_members),
    Route("GET", "/lbaas/quotas", quotas.list_all),
    Route("GET", "/lbaas/quotas/defaults", quotas.show_defaults),
    Route("GET", "/lbaas/quotas/{project_id}", quotas.show),
    Route("GET", "/lbaas/quotas/{project_id}/default", quotas.show_defaults),
    Route("PUT", "/lbaas/quotas/{project_id}", quotas.update),
    Route("DELETE", "/lbaas/quotas/{project_id}", quotas.reset),
    *(route for resource in OFFERS for route in _resource_routes(resource, offers)),
    Route("GET", PROVIDER.path, capabilities.list_providers),
    *(
        Route("GET", f"{PROVIDER.path}/{{provider}}/{collection}", capabilities.list_of(kind))
        for kind, collection in CAPABILITIES.items()
    ),
    Route("GET", AMPHORA.path, amphorae.list_all),
    Route("GET", f"{AMPHORA.path}/{{id}}", amphorae.show),
    Route("DELETE", f"{AMPHORA.path}/{{id}}", amphorae.delete),
    Route("GET", f"{AMPHORA.path}/{{id}}/stats", amphorae.statistics),
    Route("PUT", f"{AMPHORA.path}/{{id}}/config", amphorae.configure),
    Route("PUT", f"{AMPHORA.path}/{{id}}/failover", amphorae.fail_over),
)
VERSIONS = (
    Route("GET", "/", versions, is_open=True),
    Route("GET", "/v2", version, is_open=True),
    Route("GET", "/v2.0", version, is_open=True),
    Route("GET", "/v2/lbaas", version, is_open=True),
    Route("GET", "/v2.0/lbaas", version, is_open=True),
)


def build(services: Services) -> Wsgi:
    """The WSGI application: each service below its name, load balancing at the root too."""
    proxy: list[Any] = [Forwarded()] if services.config.proxy_headers else []
    app = falcon.App(middleware=[*proxy, Middleware()])
    app.req_options.strip_url_path_trailing_slash = True
    for kind in (Exception, falcon.HTTPError):  # Falcon has a handler of its own for the latter
        app.add_error_handler(kind, _answer_error)
    table: dict[str, dict[str, tuple[str, Route]]] = {}
    for mount, base, routes in _mounts():
        for route in routes:
            table.setdefault(_template(mount + route.path), {})[route.method] = (base, route)
    for path, methods in table.items():
        app.add_route(path, _Methods(services, methods))
    return app


def _mounts() -> list[tuple[str, str, tuple[Route, ...]]]:
    """(where the paths are mounted, the part of it that links begin with, the routes)"""
    mounts: list[tuple[str, str, tuple[Route, ...]]] = [
        ("/identity", "/identity", IDENTITY),
        ("/networking", "/networking", NETWORKING),
        ("/key-manager", "/key-manager", KEY_MANAGER),
    ]
    short = tuple(Route(r.method, r.path.removeprefix("/lbaas"), r.handler) for r in LOAD_BALANCING)
    for prefix in ("/load-balancer", ""):
        mounts.append((prefix, prefix, VERSIONS))
        for number in ("/v2", "/v2.0"):
            mounts.append((prefix + number, prefix + number, LOAD_BALANCING))
            mounts.append((prefix + number, prefix + number, short))
    return mounts


def _template(path: str) -> str:
    """Falcon wants one name for a place in a path: {0}, {1}, … as in a0, a1."""
    count = iter(range(9))
    return re.sub(r"{\w+}", lambda _: f"{{a{next(count)}}}", path).rstrip("/") or "/"


class _Methods:
    """The responders of one path, as Falcon looks for them."""

    def __init__(self, services: Services, methods: dict[str, tuple[str, Route]]) -> None:
        for method, (base, route) in methods.items():
            setattr(self, f"on_{method.lower()}", _responder(services, base, route))


def _responder(services: Services, base: str, route: Route) -> Callable[..., None]:
    names = re.findall(r"{(\w+)}", route.path)

    def respond(req: falcon.Request, resp: falcon.Response, **places: str) -> None:
        who = ANONYMOUS if route.is_open else sender(services, req)
        request = Request(req, who, _body(req, route.body), _query(req), req.prefix + base)
        arguments = dict(zip(names, places.values(), strict=True))
        _write(resp, route.handler(services, request, **arguments))

    return respond


def _body(req: falcon.Request, wanted: Body) -> Any:
    if wanted is Body.USUAL and req.method not in ("POST", "PUT", "PATCH"):
        return None
    if (req.content_length or 0) > BODY_MAXIMUM:
        raise errors.TooLarge(f"The body is larger than {BODY_MAXIMUM} bytes.")
    raw = req.bounded_stream.read(BODY_MAXIMUM + 1)
    if not raw:
        return None
    if wanted is Body.BYTES:
        return raw
    mimetype = (req.content_type or "").split(";")[0].strip().lower()
    if mimetype not in JSON_TYPES:
        raise errors.UnsupportedMediaType(f"Unknown mimetype: {mimetype}")
    try:
        return orjson.loads(raw)
    except ValueError:
        raise errors.BadRequest("Request is not in valid JSON format") from None


def _query(req: falcon.Request) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, value)
        for name, values in req.params.items()
        for value in (values if isinstance(values, list) else [values])
    )


def _write(resp: falcon.Response, answer: Answer) -> None:
    resp.status = answer.status
    for name, value in answer.headers.items():
        resp.set_header(name, value)
    if isinstance(answer.body, bytes):
        resp.data = answer.body
    elif answer.body is not None:
        resp.content_type = "application/json"
        resp.data = orjson.dumps(answer.body)


class Middleware:
    """What every request has: an ID, and a path that may end in .json."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("x-openstack-request-id", f"req-{uuid.uuid4()}")
        if req.path.endswith(".json"):
            req.path = req.path.removesuffix(".json")
        if _is_load_balancing(req.path) and not _accepts_json(req):
            raise errors.NotAcceptable("Only content type application/json is accepted.")


def _accepts_json(req: falcon.Request) -> bool:
    return bool(req.client_accepts("application/json"))


def _is_load_balancing(path: str) -> bool:
    return not path.startswith(("/identity", "/networking", "/key-manager"))


def _answer_error(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, str]) -> None:
    """Every error that leaves a handler, as JSON of the service that was asked."""
    known = _translate(error)
    if known.status >= 500 and not isinstance(known, errors.UnsupportedOption):
        LOG.error("%s %s failed", req.method, req.path, exc_info=error)
    resp.status = known.status
    if isinstance(known, errors.MethodNotAllowed):
        resp.set_header("Allow", known.allowed)
    if isinstance(known, errors.Unauthorized):
        resp.set_header("WWW-Authenticate", f'Keystone uri="{req.prefix}/identity"')
    resp.content_type = "application/json"
    resp.data = orjson.dumps(_render(req.path, known))


def _translate(error: Exception) -> errors.Error:
    """Falcon's errors, and the unexpected, as ours."""
    if isinstance(error, errors.Error):
        return error
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        return errors.MethodNotAllowed("", dict(error.headers or {}).get("Allow", ""))
    if isinstance(error, falcon.HTTPNotFound):
        return errors.NoSuchPath("")
    if isinstance(error, falcon.HTTPError):
        return errors.BadRequest(error.description or error.title or "Bad Request")
    return errors.Error("An unexpected error prevented the server from fulfilling the request; its log tells more.")


def _render(path: str, error: errors.Error) -> dict[str, Any]:
    if isinstance(error, errors.Unauthorized) or path.startswith("/identity"):
        return {"error": {"code": error.status, "title": error.title, "message": error.message}}
    if path.startswith("/networking"):
        return {"NeutronError": {"type": error.kind, "message": error.message, "detail": ""}}
    if isinstance(error, OTHER_FORMAT) or path.startswith("/key-manager"):
        return {"code": error.status, "title": error.title, "description": error.message}
    side = "Client" if error.status < 500 or isinstance(error, errors.UnsupportedOption) else "Server"
    return {"faultcode": side, "faultstring": error.message, "debuginfo": None}


# Octavia answers what its framework refuses, before its own code is reached, in a format of its own.
OTHER_FORMAT = (errors.NoSuchPath, errors.MethodNotAllowed, errors.NotAcceptable, errors.InvalidPaging)
