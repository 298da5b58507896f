"""Identify the sender of a request by its token or, without authentication, by its headers."""

from __future__ import annotations

from collections.abc import Callable

import falcon

from ...resources import LOADBALANCER
from ..errors import Unauthorized
from ..loadbalancer import bodies
from ..services import Services
from .context import Context

ADMIN = "admin"  # the role of requests that name none


def sender(services: Services, req: falcon.Request) -> Context:
    """Return the sender of a request. Raises Unauthorized, Unavailable, and BadRequest for an invalid header."""
    if services.config.auth == "noauth":
        return _named(req)
    return (services.keystone or services.tokens).check(token(req))


def recheck(services: Services, req: falcon.Request) -> Callable[[], Context]:
    """Return a function that identifies the sender again later, when the request is gone. It raises as sender() does.

    Without authentication, the headers of the request are believed as before.
    """
    if services.config.auth == "noauth":
        who = _named(req)
        return lambda: who
    sent = token(req)
    return lambda: (services.keystone or services.tokens).check(sent)


def token(req: falcon.Request) -> str:
    """Return the token of a request. Raises Unauthorized if there is none."""
    found = req.get_header("X-Auth-Token")
    if not found:
        raise Unauthorized("The request you have made requires authentication.")
    return str(found)


def _named(req: falcon.Request) -> Context:
    project_id = req.get_header("X-Project-Id") or None
    if project_id is not None:
        bodies.check(LOADBALANCER["project_id"], project_id)
    roles = {role.strip() for role in (req.get_header("X-Roles") or "").split(",")} - {""}
    return Context(req.get_header("X-User-Id") or "", project_id, frozenset(roles or {ADMIN}))
