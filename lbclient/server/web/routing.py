"""Routes: the request that a handler receives, the answer that it returns, and the route that leads to it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

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


class Stream(Protocol):
    """A body without an end, sent as its parts become available; it occupies no thread while it waits for them."""

    heartbeat: bytes  # sent when there was nothing else for a while

    def open(self, wake: Callable[[], None]) -> None:
        """Begin; `wake` is to be called, in any thread, whenever take() may have something."""
        ...

    def take(self) -> bytes | None:
        """Return what is available, or nothing; None at the end. Runs on the event loop: it must not block."""
        ...

    def check(self) -> None:
        """Check again whether the client may see this, in a thread. Raises errors.Error, which ends the stream."""
        ...

    def close(self) -> None:
        """End; called exactly once after open()."""
        ...


@dataclass(frozen=True)
class Answer:
    """A body (None: empty; bytes or a stream: sent unchanged; anything else: as JSON), a status, and more headers."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stream: Stream | None = None


Handler = Callable[..., Answer]  # handler(services, request, **path_arguments)


class Body(enum.Enum):
    """The way a route reads the body of a request."""

    USUAL = "JSON with POST, PUT and PATCH"
    JSON = "JSON with this method, too"
    BYTES = "whatever was sent"


@dataclass(frozen=True)
class Route:
    """One method of one path of the HTTP API."""

    method: str
    path: str  # a Falcon template: /v3/projects/{project_id}
    handler: Handler
    is_open: bool = False  # no token needed: request.who is ANONYMOUS
    body: Body = Body.USUAL
    waits: bool = False  # blocks on more than the database, or takes long: needs a thread
    hashes: bool = False  # hashes a password: runs in the threads for logins
    operation: Operation | None = None  # describes the route in the OpenAPI document of the load-balancer API
