"""Falcon middleware that counts each request and writes it to the request log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import falcon

from ..access.context import ANONYMOUS, Context
from . import request_log
from .request_log import Line

if TYPE_CHECKING:
    from ..services import Services

LOGIN = ("POST", "/v3/auth/tokens")
GLOBAL_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UNKNOWN = "unknown"  # the route and the service of a request that no route takes
TESTING = "testing"  # the service of the testing API
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

# record(request, answer, sender, line for the request log)
Record = Callable[[falcon.Request, falcon.Response, Context, Line], None]


class Telemetry:
    """The first middleware, so that requests refused by others are seen, too."""

    def __init__(self, services: Services, record: Record | None = None) -> None:
        """record: called after each request that is not one to the testing API."""
        self._services = services
        self._record = record

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        req.context.asked_at = time.perf_counter()

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: Any, req_succeeded: bool) -> None:
        if getattr(req.context, "is_repeated", False):
            return
        seconds = time.perf_counter() - req.context.asked_at
        service, route = getattr(resource, "labels", {}).get(req.method, (UNKNOWN, UNKNOWN))
        metrics = self._services.metrics
        method = req.method if req.method in METHODS else UNKNOWN
        metrics.requests.labels(service, method, route, str(resp.status_code)).inc()
        metrics.durations.labels(service, method).observe(seconds)
        is_failed_login = (req.method, route) == LOGIN and resp.status_code in (401, 429)
        if is_failed_login:
            metrics.failed_logins.inc()
        who: Context = getattr(req.context, "who", ANONYMOUS)
        sent_id = req.get_header("X-Openstack-Request-Id") or ""
        line = Line(
            source=str(req.remote_addr),
            user_id=who.user_id,
            user_name=who.user_name,
            project_id=who.project_id,
            method=req.method,
            path=req.path,
            status=resp.status_code,
            milliseconds=round(seconds * 1000, 3),
            request_id=str(resp.get_header("x-openstack-request-id")),
            global_request_id=sent_id if GLOBAL_ID.fullmatch(sent_id) else None,
            login=request_log.login_of(getattr(req.context, "login", None)) if is_failed_login else None,
        )
        self._services.request_log.write(line)
        if self._record is not None and service != TESTING:
            self._record(req, resp, who, line)
