"""All routes of the HTTP server, and the one place where errors are rendered as answers."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import unquote

import falcon
import orjson

from ..store import faults, nonblocking
from . import errors
from .access.context import ANONYMOUS
from .access.sender import sender, token
from .config import is_loopback
from .identity.routes import ROUTES as IDENTITY
from .keymanager.routes import ROUTES as KEY_MANAGER
from .lists import bounds
from .loadbalancer import listing
from .loadbalancer.routes import DESCRIPTION, LOAD_BALANCING, VERSIONS
from .network.routes import ROUTES as NETWORKING
from .services import Services
from .telemetry.middleware import Telemetry
from .telemetry.page import ROUTES as TELEMETRY
from .testing.faults import Fault
from .testing.hooks import Hooks
from .testing.kinds import Kind, kind_of
from .testing.routes import MOUNT as TESTING
from .testing.routes import ROUTES as TESTING_ROUTES
from .web import sse
from .web.asgi import FAULT, STREAM, Environ, Guards
from .web.json_bodies import JSON, is_load_balancing, read
from .web.proxy_headers import Forwarded
from .web.routing import Answer, Request, Route

Wsgi = Any  # a Falcon application, whose type parameters are not needed

LOG = logging.getLogger(__name__)

LONG_PATHS = frozenset(route.path for route in LOAD_BALANCING)


def build(services: Services) -> Wsgi:
    """Build the WSGI application: each service below its name, the load-balancer API also at the root."""
    proxy: list[Any] = [Forwarded()] if services.config.proxy_headers else []
    hooks = Hooks(services, services.testing) if services.testing else None
    app = falcon.App(middleware=[*proxy, Telemetry(services, hooks.record if hooks else None), Middleware()])
    app.req_options.strip_url_path_trailing_slash = True
    for kind in (Exception, falcon.HTTPError):  # Falcon has a handler of its own for the latter
        app.add_error_handler(kind, partial(_answer_error, services))
    table: dict[str, dict[str, tuple[str, Route]]] = {}
    for mount, base, routes in _mounts(services):
        for route in routes:
            table.setdefault(_template(mount + route.path), {})[route.method] = (base, route)
    for path, methods in table.items():
        app.add_route(path, _Methods(services, hooks, methods))
    return app


def quick_requests(services: Services) -> Callable[[Environ], bool]:
    """Return a function that tells whether a request is quick and waits for nothing outside this process.

    Such requests run on the event loop: a thread would bring nothing, because Python runs one thread at a time.
    """
    is_alone = services.store.is_local and services.keystone is None and services.barbican is None
    free = set(_discovery(services))
    slow = {
        _last(route.path)
        for _, _, routes in _mounts(services)
        for route in routes
        if route.waits and route.method == "GET"
    }

    active_faults = services.testing.faults.active if services.testing else {}

    def is_quick(environ: Environ) -> bool:
        if active_faults:
            return False  # a fault may delay it
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if method != "GET":
            return False
        return path.rstrip("/") in free or (is_alone and _last(path) not in slow)

    return is_quick


def _discovery(services: Services) -> Iterator[str]:
    """Yield the paths that list versions, which need no database."""
    for place, _, routes in _mounts(services):
        if place != TESTING:
            for route in routes:
                if route.method == "GET" and route.is_open and not route.waits and route not in DESCRIPTION:
                    yield (place + route.path).rstrip("/")


def guards(services: Services) -> Guards:
    """Return the checks of a request that the HTTP server makes before the request is handled."""
    hashing = [
        (route.method, re.compile(re.sub(r"{\w+}", "[^/]+", mount + route.path) + r"(\.json)?/?"))
        for mount, _, routes in _mounts(services)
        for route in routes
        if route.hashes
    ]

    def is_known(environ: Environ) -> bool:
        try:
            sender(services, falcon.Request(environ))
        except errors.Error:
            return False  # handling the request answers with the reason
        return True

    def is_login(environ: Environ) -> bool:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        return any(method == other and pattern.fullmatch(path) for other, pattern in hashing)

    is_noauth, is_local = services.config.auth == "noauth", is_loopback(services.config.bind_host)

    def needs_own_site(environ: Environ) -> bool:
        has_no_login = is_noauth or environ["PATH_INFO"].startswith(TESTING)
        return has_no_login and is_local and not services.config.proxy_headers

    return Guards(is_known, is_login, needs_own_site)


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2].removesuffix(".json")


def _mounts(services: Services) -> list[tuple[str, str, tuple[Route, ...]]]:
    """Return tuples of the prefix of the paths, the prefix of links, and the routes."""
    mounts: list[tuple[str, str, tuple[Route, ...]]] = [("", "", TELEMETRY), ("/networking", "/networking", NETWORKING)]
    if services.testing:
        mounts.append((TESTING, TESTING, TESTING_ROUTES))
    if services.keystone is None:
        mounts.append(("/identity", "/identity", IDENTITY))
    if services.barbican is None:
        mounts.append(("/key-manager", "/key-manager", KEY_MANAGER))
    short = tuple(replace(route, path=route.path.removeprefix("/lbaas")) for route in LOAD_BALANCING)
    for prefix in ("/load-balancer", ""):
        mounts.append((prefix, prefix, VERSIONS))
        for number in ("/v2", "/v2.0"):
            mounts.append((prefix + number, prefix + number, LOAD_BALANCING))
            mounts.append((prefix + number, prefix + number, short))
            mounts.append((prefix + number, prefix + number, DESCRIPTION))
    return mounts


def _template(path: str) -> str:
    """Rename a path's parameters to a0, a1, …: Falcon wants the same name at the same position of all paths."""
    count = iter(range(9))
    return re.sub(r"{\w+}", lambda _: f"{{a{next(count)}}}", path).rstrip("/") or "/"


class _Methods:
    """A Falcon resource with the responders of one path."""

    def __init__(self, services: Services, hooks: Hooks | None, methods: dict[str, tuple[str, Route]]) -> None:
        self.labels = {method: _labels(base, route) for method, (base, route) in methods.items()}
        for method, (base, route) in methods.items():
            respond = _responder(services, base, route)
            if services.testing and hooks and base != TESTING:
                kind = kind_of(base, method, route.path)
                services.testing.kinds.learn([kind])
                respond = _faulted(hooks, services.testing.faults.active, kind, respond)
            setattr(self, f"on_{method.lower()}", respond)


def _labels(base: str, route: Route) -> tuple[str, str]:
    """Return the service and the path of a route, the same for every place where it is mounted, for metrics."""
    service = base.split("/")[1] if base.startswith(("/identity", "/networking", "/key-manager", "/testing")) else ""
    path = f"/lbaas{route.path}" if f"/lbaas{route.path}" in LONG_PATHS and not service else route.path
    return service or "load-balancer", path


def _responder(services: Services, base: str, route: Route) -> Callable[..., None]:
    names = re.findall(r"{(\w+)}", route.path)
    known = _known_arguments(route)

    def respond(req: falcon.Request, resp: falcon.Response, **places: str) -> None:
        try:
            handle(req, resp, **places)
        except nonblocking.TakesLong:
            req.context.is_repeated = True  # the request is handled again, in another thread
            raise

    def handle(req: falcon.Request, resp: falcon.Response, **places: str) -> None:
        who = req.context.who = ANONYMOUS if route.is_open else sender(services, req)
        query = _query(req)
        if known is not None:
            _check_arguments(known, query)
        request = Request(req, who, read(req, route.body), query, req.prefix + base)
        if route.hashes:
            req.context.login = request.body
        arguments = dict(zip(names, places.values(), strict=True))
        # PostgreSQL cannot compare text with a NUL; the key manager accepts only UUIDs and refuses others itself.
        if "\0" in "".join(places.values()) and not req.path.startswith("/key-manager"):
            raise errors.NotFound("There is nothing whose ID has a NUL.")
        if "\ufffd" in "".join(places.values()):
            raise errors.Undecodable("The path is not valid UTF-8.")
        if services.barbican and isinstance(request.body, dict) and is_load_balancing(req.path):
            services.barbican.copy(who, token(req), request.body)
        handle = partial(route.handler, services, request, **arguments)
        _write(req, resp, services.probes.completed(services.dataplane.duplicate, handle))

    return respond


def _faulted(
    hooks: Hooks, active: Mapping[str, Fault], kind: Kind, respond: Callable[..., None]
) -> Callable[..., None]:
    """Return a responder to which the active faults are applied first."""

    def respond_or_fail(req: falcon.Request, resp: falcon.Response, **places: str) -> None:
        if not (active and hooks.strike(req, resp, kind)):
            respond(req, resp, **places)

    return respond_or_fail


def _known_arguments(route: Route) -> frozenset[str] | None:
    """Return the allowed query parameters; None if any are allowed, being filters or ignored."""
    if route.operation is None:
        return None
    known = frozenset(each.name for each in route.operation.query)
    return None if route.method == "GET" and "fields" in known else known


def _check_arguments(known: frozenset[str], query: tuple[tuple[str, str], ...]) -> None:
    for name, _ in query:
        if name not in known:
            raise errors.BadRequest(f'Unknown argument: "{name}"')


def _query(req: falcon.Request) -> tuple[tuple[str, str], ...]:
    try:
        unquote(req.query_string, errors="strict")
    except UnicodeDecodeError:
        raise errors.Undecodable("The query string is not valid UTF-8.") from None
    query = tuple(
        (name, value)
        for name, values in req.params.items()
        for value in (values if isinstance(values, list) else [values])
    )
    if any("\0" in word for pair in query for word in pair):
        raise errors.BadRequest("The query has a NUL, which no value can have.")  # PostgreSQL cannot compare it
    bounds.check(query)
    if req.method == "GET" and is_load_balancing(req.path):
        listing.check(query)
    return query


def _write(req: falcon.Request, resp: falcon.Response, answer: Answer) -> None:
    resp.status = answer.status
    for name, value in answer.headers.items():
        resp.set_header(name, value)
    if answer.stream is not None:
        req.env[STREAM] = answer.stream
    elif isinstance(answer.body, bytes):
        resp.data = answer.body
    elif answer.body is not None:
        resp.content_type = "application/json"
        resp.data = orjson.dumps(answer.body)


class Middleware:
    """Falcon middleware that gives each request an ID, strips .json from its path and checks its Accept header."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("x-openstack-request-id", f"req-{uuid.uuid4()}")
        if FAULT in req.env:
            raise req.env[FAULT]
        if req.path.endswith(".json") and not req.path.startswith(TESTING):  # a snapshot may have such a name
            req.path = req.path.removesuffix(".json")
        if _is_json(req.path) and not _accepts_json(req):
            raise errors.NotAcceptable("Only content type application/json is accepted.")


def _accepts_json(req: falcon.Request) -> bool:
    if "follow" in req.params and req.client_accepts(sse.MEDIA_TYPE):
        return True
    return "/" not in req.accept or req.client_accepts(JSON)  # an invalid media type is ignored


def _is_json(path: str) -> bool:
    return is_load_balancing(path) and not path.endswith((".html", "/healthcheck", "/metrics"))


def _answer_error(
    services: Services, req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, str]
) -> None:
    """Render an error raised by a handler as JSON in the format of the service that was requested."""
    known = _translate(error)
    if isinstance(error, errors.Unavailable):  # something else than this server failed, as the message says
        LOG.warning("%s %s: %s", req.method, req.path, error.message)
    elif known.status >= 500 and not isinstance(known, errors.UnsupportedOption | errors.Faulted):
        LOG.error("%s %s failed", req.method, req.path, exc_info=error)
    resp.status = known.status
    if isinstance(known, errors.NotAcceptable):
        resp.append_header("Vary", known.header)
    if isinstance(known, errors.MethodNotAllowed):
        resp.set_header("Allow", known.allowed)
    retry_after = getattr(known, "retry_after", None)
    if retry_after is not None:
        resp.set_header("Retry-After", str(retry_after))
    if isinstance(known, errors.Unauthorized):
        identity = services.keystone.url if services.keystone else f"{req.prefix}/identity"
        resp.set_header("WWW-Authenticate", f'Keystone uri="{identity}"')
    resp.content_type = "application/json"
    resp.data = orjson.dumps(_render(req.path, known))


def _translate(error: Exception) -> errors.Error:
    """Translate errors of Falcon and the database, and unexpected ones, into errors.Error."""
    if isinstance(error, errors.Error):
        return error
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        return errors.MethodNotAllowed("", dict(error.headers or {}).get("Allow", ""))
    if isinstance(error, falcon.HTTPNotFound):
        return errors.NoSuchPath("")
    if isinstance(error, falcon.HTTPError):
        return errors.BadRequest(error.description or error.title or "Bad Request")
    failed = faults.explanation(error)
    if failed:
        return errors.Unavailable(failed)
    return errors.Error("An unexpected error prevented the server from fulfilling the request; its log tells more.")


def _render(path: str, error: errors.Error) -> dict[str, Any]:
    if isinstance(error, errors.Unauthorized) or path.startswith("/identity"):
        return {"error": {"code": error.status, "title": error.title, "message": error.message}}
    if path.startswith("/networking"):
        return {"NeutronError": {"type": error.kind, "message": error.message, "detail": ""}}
    if isinstance(error, OTHER_FORMAT) or path.startswith(("/key-manager", "/testing")):
        return {"code": error.status, "title": error.title, "description": error.message}
    side = "Client" if error.status < 500 or isinstance(error, errors.UnsupportedOption) else "Server"
    told = {"holder": error.holder} if isinstance(error, errors.Busy) else {}
    return {"faultcode": side, "faultstring": error.message, "debuginfo": None, **told}


# Octavia uses another format for errors that its web framework raises before Octavia's own code is reached.
OTHER_FORMAT = (
    errors.NoSuchPath,
    errors.NoSuchParent,
    errors.MethodNotAllowed,
    errors.NotAcceptable,
    errors.InvalidPaging,
    errors.Undecodable,
)
