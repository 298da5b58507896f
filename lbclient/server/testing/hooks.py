"""Apply faults to requests, and record their answers: as little as can be while there are no faults."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import falcon
import orjson

from ..access.context import ANONYMOUS, Context
from ..errors import Error, Faulted
from ..web.asgi import DROPPED, Environ
from . import faults
from .faults import Asked
from .kinds import Kind
from .kit import Kit

if TYPE_CHECKING:
    from ..services import Services
    from ..telemetry.request_log import Line

FAULT_HEADER = "X-Lbclient-Fault"
STRUCK = "lbclient.struck"  # the ID of the fault that struck the request
BODY_KEPT = 16 * 1024  # bytes of a body that is recorded


class Hooks:
    """The two calls of the testing API in the handling of a request: one while there are faults, one at the end."""

    def __init__(self, services: Services, kit: Kit) -> None:
        self._services = services
        self._kit = kit
        self._paces, self._holds = kit.paces, kit.paces.holds
        self._number, self._keep = kit.recording.number, kit.recording.add

    def strike(self, req: falcon.Request, resp: falcon.Response, kind: Kind) -> bool:
        """Apply faults before a request is handled; return whether the connection is to be closed without handling it.

        Raises Faulted.
        """
        who = self._project(req) or ""
        asked = Asked(kind.service, kind.resource, kind.operation, req.method, req.path, req.user_agent or "", who)
        struck = self._kit.faults.strike(asked)
        if struck is None:
            return False
        req.env[STRUCK] = struck.id
        resp.set_header(FAULT_HEADER, struck.id)
        if struck.retry_after is not None:
            resp.set_header("Retry-After", str(struck.retry_after))
        if struck.drop is not None:
            req.env[DROPPED] = True
        faults.wait(struck)
        if struck.status is not None:
            raise Faulted(struck.status, struck.message)
        return struck.drop == "before"

    def record(self, req: falcon.Request, resp: falcon.Response, who: Context, line: Line) -> None:
        """Record an answer, and count it for paces that wait for polls. line: of the request log."""
        # Every request pays for this: what can be derived from it later is.
        env = req.env
        data = resp.data or b""
        if self._holds and data and req.method == "GET" and self._paces.counts_polls:
            self._paces.polled(orjson.loads(data) if _is_json(resp) else None)
        self._keep(
            (
                self._number(),
                time.time(),
                line,
                self._project(req) if who is ANONYMOUS else line.project_id,
                env["QUERY_STRING"],
                env.get("HTTP_USER_AGENT", ""),
                env.get(STRUCK),
                DROPPED in env,
                _sent(env) if env.get("CONTENT_LENGTH", "0") != "0" else b"",
                data if len(data) <= BODY_KEPT else data[:BODY_KEPT],
            )
        )

    def _project(self, req: falcon.Request) -> str | None:
        """Return the project of the request's sender; None without a valid token."""
        from ..access.sender import sender

        if not req.get_header("X-Auth-Token") and self._services.config.auth != "noauth":
            return None
        try:
            return sender(self._services, req).project_id
        except Error:
            return None


def _is_json(resp: falcon.Response) -> bool:
    return (resp.content_type or "").startswith("application/json")


def _sent(env: Environ) -> bytes:
    """Return the first BODY_KEPT bytes of the request's body, which the handler has already read."""
    stream = env["wsgi.input"]
    stream.seek(0)
    return bytes(stream.read(BODY_KEPT))
