"""Middleware of the testing API: apply faults to requests, and count and record the answers."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import falcon
import orjson

from ..errors import Error, Faulted
from ..web.asgi import DROPPED
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

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        req.context.begun = time.perf_counter()

    def process_resource(self, req: falcon.Request, resp: falcon.Response, resource: Any, params: Any) -> None:
        """Apply faults before the request is handled. Raises Faulted."""
        kind: Kind | None = getattr(resource, "kinds", {}).get(req.method)
        if kind is None or self._kit.is_calm or req.path.startswith(PREFIX):
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
        if req.path.startswith(PREFIX):
            return
        struck: Struck | None = getattr(req.context, "struck", None)
        if struck is not None:
            _mark(req, resp, struck)
        if req.method == "GET" and resp.data and self._kit.paces.counts_polls:
            self._kit.paces.polled(orjson.loads(resp.data) if _is_json(resp) else None)
        self._kit.recording.add(
            at=datetime.now(timezone.utc).isoformat(timespec="milliseconds").removesuffix("+00:00"),
            method=req.method,
            path=req.path,
            query=req.query_string,
            user_agent=req.user_agent or "",
            project_id=self._project(req),
            status=None if req.env.get(DROPPED) else resp.status_code,
            # A request that another middleware refused has not begun here.
            milliseconds=round((time.perf_counter() - getattr(req.context, "begun", time.perf_counter())) * 1000, 3),
            fault=struck.id if struck else None,
            request=_sent(req),
            answer=bytes(resp.data or b"")[:BODY_KEPT],
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


def _sent(req: falcon.Request) -> bytes:
    """Return the first BODY_KEPT bytes of the request's body, which the handler has already read."""
    stream = req.env["wsgi.input"]
    stream.seek(0)
    return bytes(stream.read(BODY_KEPT))
