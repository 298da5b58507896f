"""Routes: the request that a handler gets, the answer that it returns, and the line that leads to it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import falcon

    from ..access.context import Context
    from .operation import Operation


@dataclass(frozen=True)
class Request:
    """One request whose token has been checked."""

    http: falcon.Request
    who: Context
    body: Any = None  # parsed JSON, or bytes where the route wants them; None without a body
    query: tuple[tuple[str, str], ...] = ()  # in order, repeated names kept
    base: str = ""  # the URL of the API's version, for links: http://host:9876/load-balancer/v2.0


@dataclass(frozen=True)
class Answer:
    """A JSON body (None: an empty one; bytes: as they are), a status, and headers beyond the usual ones."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[..., Answer]  # handler(services, request, **path_arguments)


class Body(enum.Enum):
    """What a route reads of a request's body."""

    USUAL = "JSON with POST, PUT and PATCH"
    JSON = "JSON with this method, too"
    BYTES = "whatever was sent"


@dataclass(frozen=True)
class Route:
    """One line of the HTTP surface."""

    method: str
    path: str  # a Falcon template: /v3/projects/{project_id}
    handler: Handler
    is_open: bool = False  # no token needed: request.who is ANONYMOUS
    body: Body = Body.USUAL
    waits: bool = False  # for more than the database, or it takes long: it needs a thread of its own
    hashes: bool = False  # a password: it has threads of its own
    operation: Operation | None = None  # what it does, for the description of the load-balancer API
