"""The WSGI application: the API, with the pages of the dashboard in front of it."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlencode

import falcon

from ..client import errors
from ..server.web.asgi import FAULT, STREAM
from ..server.web.proxy_headers import Forwarded
from . import security
from .calls import Environ, Wsgi
from .rates import Rates
from .rendering import Renderer
from .routes import ROUTES, TESTING, Route
from .security import CSRF_FIELD, LOGIN_COOKIE, SESSION_COOKIE, Forged
from .sessions import Sessions
from .visit import Options, Parts, Reply, Visit

LOG = logging.getLogger(__name__)

PLACE = "/dashboard"
LOGIN = f"{PLACE}/login"
STATIC = f"{PLACE}/static/"
ALWAYS = (STATIC, f"{PLACE}/api")  # what the page at / needs, whether there is a dashboard or not
FORM_BYTES = 4 * 1024 * 1024
FILE_BYTES = 2 * 1024 * 1024
FOREVER = "public, max-age=31536000, immutable"


class Mounted:
    """The API, and in front of it the page at / for browsers and, if it is enabled, the dashboard."""

    def __init__(self, api: Wsgi, options: Options) -> None:
        self._api = api
        self._parts = Parts(api, options, Sessions(), Renderer(), Rates())
        self._pages = _application(self._parts)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        is_answerable = FAULT not in environ  # the API tells why a request is refused before it is handled
        application = self._pages if is_answerable and self.is_page(environ) else self._api
        return application(environ, _varying(start_response) if environ["PATH_INFO"] == "/" else start_response)

    def is_page(self, environ: Environ) -> bool:
        """Whether a page answers a request, and not the API."""
        path: str = environ["PATH_INFO"]
        if path == PLACE or path.startswith(f"{PLACE}/"):
            return self._parts.options.is_enabled or path.startswith(ALWAYS)
        is_reading: bool = environ["REQUEST_METHOD"] in ("GET", "HEAD")
        return path == "/" and is_reading and _is_browser(environ)

    def is_login(self, environ: Environ) -> bool:
        """Whether a request hashes a password."""
        path: str = environ["PATH_INFO"]
        return environ["REQUEST_METHOD"] == "POST" and path.rstrip("/") == LOGIN

    def is_known(self, environ: Environ) -> bool:
        """Whether the sender of a request has a session."""
        values = falcon.Request(environ).get_cookie_values(SESSION_COOKIE) or [""]
        return self._parts.sessions.find(values[0], is_use=False) is not None


def _varying(start_response: Callable[..., Any]) -> Callable[..., Any]:
    """Return a start_response that says that the answer depends on what the client accepts."""

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        others = [(name, value) for name, value in headers if name.lower() != "vary"]
        return start_response(status, [*others, ("vary", "Accept")], *more)

    return start


def _is_browser(environ: Environ) -> bool:
    """Whether the client asks for HTML by name, as browsers do."""
    accepted: str = environ.get("HTTP_ACCEPT", "")
    return "text/html" in accepted


def _application(parts: Parts) -> Wsgi:
    app: Any = falcon.App(middleware=[Forwarded()] if parts.options.has_proxy_headers else [])
    app.req_options.strip_url_path_trailing_slash = True
    app.resp_options.secure_cookies_by_default = False
    for kind in (Exception, falcon.HTTPError):
        app.add_error_handler(kind, lambda req, resp, error, params: _write(req, resp, _failed(parts, req, error)))
    table: dict[str, dict[str, Route]] = {}
    for route in (*ROUTES, *(TESTING if parts.options.has_testing else ())):
        table.setdefault(_template(route.path), {})[route.method] = route
    for path, methods in table.items():
        app.add_route(path, _Methods(parts, methods))
    app.add_route(f"{STATIC}{{name}}", _Static(parts))
    found: Wsgi = app
    return found


def _template(path: str) -> str:
    """Rename a path's parameters to a0, a1, …: Falcon wants the same name at the same position of all paths."""
    count = iter(range(9))
    return re.sub(r"{\w+}", lambda _: f"{{a{next(count)}}}", path)


class _Static:
    """The scripts and styles."""

    def __init__(self, parts: Parts) -> None:
        self._files = parts.renderer.files

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        if name not in self._files:
            raise falcon.HTTPNotFound
        kind, content = self._files[name]
        _write(req, resp, Reply(content, 200, {"Content-Type": kind, "Cache-Control": FOREVER}))


class _Methods:
    """A Falcon resource with the responders of one path."""

    def __init__(self, parts: Parts, methods: dict[str, Route]) -> None:
        for method, route in methods.items():
            setattr(self, f"on_{method.lower()}", _responder(parts, route))
        if "GET" in methods:
            self.on_head = _responder(parts, methods["GET"])


def _responder(parts: Parts, route: Route) -> Callable[..., None]:
    names = re.findall(r"{(\w+)}", route.path)

    def respond(req: falcon.Request, resp: falcon.Response, **places: str) -> None:
        visit = _visit(parts, req)
        if visit.found is None and not route.is_open:
            return _write(req, resp, _to_login(visit, is_ended=bool(req.get_cookie_values(SESSION_COOKIE))))
        if req.method == "POST":
            security.check_origin(req)
            _read_form(visit)
            if visit.found and not route.is_open:
                security.check_token(visit.found, visit.value(CSRF_FIELD))
        try:
            reply = route.handler(visit, **dict(zip(names, places.values(), strict=True)))
        except errors.Forbidden as refusal:
            if names and visit.found and "olicy does not allow" in refusal.words:
                raise falcon.HTTPNotFound from refusal  # an object of another project is no page of this one
            raise
        return _write(req, resp, reply)

    return respond


def _visit(parts: Parts, req: falcon.Request) -> Visit:
    values = req.get_cookie_values(SESSION_COOKIE) or [""]
    is_use = not req.get_header("HX-Request")
    return Visit(parts, req, parts.sessions.find(values[0], is_use=is_use))


def _to_login(visit: Visit, *, is_ended: bool = False) -> Reply:
    """Lead to the login, and from there back to the page."""
    req = visit.http
    then = req.path + (f"?{req.query_string}" if req.query_string else "")
    words = {"then": then} if req.method == "GET" and not visit.is_fragment and then != PLACE else {}
    if is_ended:
        words["ended"] = "1"
    address = f"{visit.url(LOGIN)}?{urlencode(words)}" if words else visit.url(LOGIN)
    if visit.is_fragment:
        return Reply(b"", 200, {"HX-Redirect": address})
    return Reply(b"", 303, {"Location": address}, {SESSION_COOKIE: ""} if is_ended else {})


def _read_form(visit: Visit) -> None:
    """Read the fields and the files of a form. Raises HTTPError."""
    req = visit.http
    if (req.content_length or 0) > FORM_BYTES:
        raise falcon.HTTPContentTooLarge(description=f"A form may have {FORM_BYTES} bytes.")
    kind = (req.content_type or "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _read_parts(visit)
    text = req.bounded_stream.read().decode("utf-8", "replace")
    try:
        visit.form.update(parse_qs(text, keep_blank_values=True, max_num_fields=5000))
    except ValueError:
        raise falcon.HTTPBadRequest(description="The form has too many fields.") from None
    return None


def _read_parts(visit: Visit) -> None:
    req = visit.http
    handler = falcon.media.MultipartFormHandler()
    handler.parse_options.max_body_part_buffer_size = FILE_BYTES
    handler.parse_options.max_body_part_count = 500
    content = io.BytesIO(req.bounded_stream.read())
    for part in handler.deserialize(content, req.content_type, req.content_length):
        name, data = str(part.name), part.get_data()
        if part.filename is None:
            visit.form.setdefault(name, []).append(data.decode("utf-8", "replace"))
        elif data:
            visit.files[name] = data


def _write(req: falcon.Request, resp: falcon.Response, reply: Reply) -> None:
    resp.status = reply.status
    for name, value in {**security.HEADERS, **reply.headers}.items():
        resp.set_header(name, value)
    for name, value in reply.cookies.items():
        resp.set_cookie(
            name,
            value,
            max_age=None if value else 0,
            path=f"{req.root_path}{PLACE}",
            secure=req.scheme == "https",
            http_only=True,
            same_site="Strict",
        )
    if reply.stream is not None:
        req.env[STREAM] = reply.stream
    else:
        resp.data = reply.body


def _failed(parts: Parts, req: falcon.Request, error: Exception) -> Reply:
    """Return the page for an error, with the words of the API if it is one of the API's."""
    visit = _visit(parts, req)
    if isinstance(error, errors.Refused) and error.status == 401 and visit.found:
        parts.sessions.remove(visit.found.id)  # the token has been revoked
        return _to_login(visit, is_ended=True)
    status, title, words = _explained(error)
    if status >= 500 and not isinstance(error, errors.Error):
        LOG.error("%s %s failed", req.method, req.path, exc_info=error)
    template = "failed_part.html" if visit.is_fragment else "failed.html"
    page = visit.page(template, status, status=status, title=title, words=words)
    allowed = dict(getattr(error, "headers", None) or {}) if isinstance(error, falcon.HTTPMethodNotAllowed) else {}
    return Reply(page.body, status, {**page.headers, **allowed})


def _explained(error: Exception) -> tuple[int, str, str]:
    """Return the status, the title and the text of the page for an error."""
    if isinstance(error, Forged):
        return 403, "Not accepted", str(error)
    if isinstance(error, errors.Refused):
        titles = {404: "Not found", 403: "Not permitted", 409: "Busy", 400: "Not possible"}
        return error.status, titles.get(error.status, "The API refused this"), error.words
    if isinstance(error, errors.Unreachable):
        return 502, "No answer", str(error)
    if isinstance(error, errors.Error):
        return 400, "Not possible", str(error)
    if isinstance(error, falcon.HTTPNotFound):
        return 404, "Not found", "There is no such page."
    if isinstance(error, falcon.HTTPError):
        return int(str(error.status)[:3]), "Not possible", error.description or error.title or ""
    return 500, "Something went wrong", "An unexpected error occurred; the server's log says more."


__all__ = ["LOGIN_COOKIE", "Mounted", "Options"]
