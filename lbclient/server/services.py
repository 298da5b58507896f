"""What handlers work with: the store, the data plane, and the services beside the API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from .identity.throttle import Throttle

if TYPE_CHECKING:
    from ..store.snapshot import Snapshot
    from ..store.store import Store
    from .access.enforcer import Enforcer
    from .config import Config
    from .external.barbican import Barbican
    from .external.keystone import Keystone
    from .identity.tokens import Tokens
    from .settlements import Settlements
    from .testing.kit import Kit


class DataPlane(Protocol):
    """What carries the traffic, as far as requests need it."""

    def wake(self, loadbalancer_id: str) -> None:
        """Reconcile a load balancer soon; called after a commit."""
        ...

    def unsupported(self, snapshot: Snapshot) -> str | None:
        """Why a load balancer could not be carried; None if it can."""
        ...

    def own_addresses(self) -> Iterable[str]:
        """The addresses of this machine that are not its load balancers', where these could be taken for them."""
        ...

    def address_refusal(self, address: str) -> str | None:
        """Why this machine can never have an address for a load balancer; None if it may."""
        ...

    def active_connections(self, loadbalancer_id: str, pool_id: str, member_id: str) -> int | None:
        """How many connections are open to a member; None if its proxy does not answer."""
        ...

    def observe(self, loadbalancer_id: str) -> None:
        """Observe a load balancer now and store what was found; returns when that is done, or after a few seconds."""
        ...

    def kill(self, loadbalancer_id: str) -> int:
        """Kill the processes of a load balancer, as a crash would; how many there were."""
        ...


@dataclass(frozen=True)
class Services:
    """What every handler is given."""

    store: Store
    tokens: Tokens
    config: Config
    dataplane: DataPlane
    rules: Enforcer
    keystone: Keystone | None = None  # an external one, instead of ours
    barbican: Barbican | None = None
    testing: Kit | None = None  # None: there is no testing API
    settlements: Settlements | None = None  # None: writes are answered at once
    throttle: Throttle = field(default_factory=Throttle)
