"""GET /metrics: the metrics of the server, for Prometheus."""

from __future__ import annotations

import ipaddress

import falcon
from prometheus_client import CONTENT_TYPE_LATEST

from ..access.sender import sender
from ..errors import Forbidden, NoSuchPath
from ..loadbalancer import policy
from ..services import Services
from ..web.routing import Answer, Request, Route

# With one of these headers, a request has come through a proxy: its sender need not be on this machine.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


def show(services: Services, request: Request) -> Answer:
    """Answer with the metrics, if the option `metrics` lets the sender see them."""
    _check(services, request.http)
    return Answer(services.metrics.text(services), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _check(services: Services, req: falcon.Request) -> None:
    """Check that the sender may see the metrics. Raises NoSuchPath, Unauthorized and Forbidden."""
    readers = services.config.metrics
    if readers == "off":
        raise NoSuchPath("")
    if readers == "all" or (readers == "loopback" and _is_on_this_machine(req)):
        return
    who = sender(services, req)
    if not policy.allows(services, who, "loadbalancer:get_all-global", who.project_id):
        raise Forbidden("Policy does not allow this request to be performed.")


def _is_on_this_machine(req: falcon.Request) -> bool:
    if any(req.get_header(name) for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(req.remote_addr).is_loopback
    except ValueError:
        return False


ROUTES = (Route("GET", "/metrics", show, is_open=True, waits=True),)
