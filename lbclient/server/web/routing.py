"""What handlers are given and what they return."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import falcon

    from ...store.snapshot import Snapshot
    from ...store.store import Store
    from ..access.enforcer import Rulebook
    from ..config import Config
    from ..external.barbican import Barbican
    from ..external.keystone import Keystone
    from ..identity.tokens import Tokens
    from ..loadbalancer.openapi.operations import Operation


@dataclass(frozen=True)
class Context:
    """Who sent a request, out of a token."""

    user_id: str
    project_id: str | None  # None: a token without scope
    roles: frozenset[str]
    domain_id: str = "default"

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles


@dataclass(frozen=True)
class Services:
    """What handlers work with.

    wake(id) asks the data plane to look at a load balancer, after a commit; unsupported(snapshot) tells why it could
    not carry one, or None; connections(loadbalancer_id, pool_id, member_id) counts those that are open to a member,
    or None where nobody answers; look(loadbalancer_id) has it observed now, so that what the store tells is fresh.
    """

    store: Store
    tokens: Tokens
    config: Config
    wake: Callable[[str], None]
    unsupported: Callable[[Snapshot], str | None]
    rules: Rulebook
    connections: Callable[[str, str, str], int | None] = lambda loadbalancer_id, pool_id, member_id: 0
    look: Callable[[str], None] = lambda loadbalancer_id: None
    keystone: Keystone | None = None  # an outside one, instead of ours
    barbican: Barbican | None = None


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
    operation: Operation | None = None  # what it does, for the description of the load-balancer API


ANONYMOUS = Context(user_id="", project_id=None, roles=frozenset())
