"""Middleware of the testing API: apply faults to requests, and count and record the answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import falcon
import orjson

from ..access.context import ANONYMOUS, Context
from ..errors import Error, Faulted
from ..web.asgi import DROPPED, Environ
from . import faults
from .faults import Asked, Struck
from .kinds import Kind
from .kit import Kit

if TYPE_CHECKING:
    from ..services import Services

FAULT_HEADER = "X-Lbclient-Fault"
PREFIX = "/testing"
BODY_KEPT = 16 * 1024  # bytes of a body that is recorded


class Tested:
    """Falcon middleware that applies faults and records requests."""

    def __init__(self, services: Services, kit: Kit) -> None:
        self._services = services
        self._kit = kit
        self._faults = kit.faults.active
        self._paces, self._holds = kit.paces, kit.paces.holds
        self._number, self._record = kit.recording.number, kit.recording.add

    def process_resource(self, req: falcon.Request, resp: falcon.Response, resource: Any, params: Any) -> None:
        """Apply faults before the request is handled. Raises Faulted."""
        if not self._faults or req.path.startswith(PREFIX):
            return
        kind: Kind | None = getattr(resource, "kinds", {}).get(req.method)
        if kind is None:
            return
        struck = self._kit.faults.strike(self._asked(req, kind))
        if struck is None:
            return
        req.context.struck = struck
        faults.wait(struck)
        if struck.drop == "before":
            req.env[DROPPED] = True
            resp.complete = True
        elif struck.status is not None:
            raise Faulted(struck.status, struck.message)

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: Any, req_succeeded: bool) -> None:
        """Mark the answer if a fault struck, count it for paces that wait for polls, and record it."""
        # Every request pays for this: what can be derived from it later is.
        env, path = req.env, req.path
        context = req.context.__dict__
        if path.startswith(PREFIX) or "is_repeated" in context:
            return
        struck: Struck | None = context.get("struck")
        if struck is not None:
            _mark(req, resp, struck)
        data = resp.data or b""
        if self._holds and data and req.method == "GET" and self._paces.counts_polls:
            self._paces.polled(orjson.loads(data) if _is_json(resp) else None)
        who: Context | None = context.get("who")
        self._record(
            (
                self._number(),
                time.time(),
                req.method,
                path,
                env["QUERY_STRING"],
                env.get("HTTP_USER_AGENT", ""),
                self._project(req) if who is None or who is ANONYMOUS else who.project_id,
                None if DROPPED in env else resp.status_code,
                time.perf_counter() - context["asked_at"],
                struck.id if struck else None,
                _sent(env) if "CONTENT_LENGTH" in env else b"",
                data if len(data) <= BODY_KEPT else data[:BODY_KEPT],
            )
        )

    def _asked(self, req: falcon.Request, kind: Kind) -> Asked:
        who = self._project(req) or ""
        return Asked(kind.service, kind.resource, kind.operation, req.method, req.path, req.user_agent or "", who)

    def _project(self, req: falcon.Request) -> str | None:
        """Return the project of the request's sender; None without a valid token."""
        from ..access.sender import sender

        if not req.get_header("X-Auth-Token") and self._services.config.auth != "noauth":
            return None
        try:
            return sender(self._services, req).project_id
        except Error:
            return None


def _mark(req: falcon.Request, resp: falcon.Response, struck: Struck) -> None:
    resp.set_header(FAULT_HEADER, struck.id)
    if struck.retry_after is not None:
        resp.set_header("Retry-After", str(struck.retry_after))
    if struck.drop == "after":
        req.env[DROPPED] = True


def _is_json(resp: falcon.Response) -> bool:
    return (resp.content_type or "").startswith("application/json")


def _sent(env: Environ) -> bytes:
    """Return the first BODY_KEPT bytes of the request's body, which the handler has already read."""
    stream = env["wsgi.input"]
    stream.seek(0)
    return bytes(stream.read(BODY_KEPT))
