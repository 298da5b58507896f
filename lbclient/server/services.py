"""The services that handlers use: the store, the data plane, identity, and the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from .identity.throttle import Throttle
from .probes import Probes
from .telemetry.metrics import Metrics
from .telemetry.request_log import RequestLog

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
    """The data plane, which carries the traffic, as far as requests need it."""

    def wake(self, loadbalancer_id: str, project_id: str | None = None) -> None:
        """Reconcile a load balancer soon; called after a commit. Its project is looked up unless it is given."""
        ...

    def is_idle(self, loadbalancer_id: str) -> bool:
        """Return whether all wakes of a load balancer have been followed by a reconciling, as far as that is known."""
        ...

    def unsupported(self, snapshot: Snapshot) -> str | None:
        """Return why the data plane does not support a load balancer; None if it does."""
        ...

    def invalid(self, snapshot: Snapshot) -> tuple[str, str, str] | None:
        """Return an attribute, its value, and why the data plane refuses this value; None if it refuses none."""
        ...

    def own_addresses(self) -> Iterable[str]:
        """Return this machine's own addresses, without those of its load balancers; empty if they cannot collide."""
        ...

    def address_refusal(self, address: str) -> str | None:
        """Return why this machine can never use an address for a load balancer; None if it can."""
        ...

    def port_refusal(self, port: int) -> str | None:
        """Return why this machine can never listen on a port; None if it may."""
        ...

    def duplicate(self, address: str) -> str | None:
        """Return that another machine has an address, after asking for up to a second; None if none answers."""
        ...

    def active_connections(self, loadbalancer_id: str, pool_id: str, member_id: str) -> int | None:
        """Return the number of open connections to a member; None if HAProxy does not answer."""
        ...

    def performance(self, loadbalancer_id: str) -> Mapping[str, Mapping[str, float | None]] | None:
        """Return requests and response times by the ID of a part; None if HAProxy does not answer."""
        ...

    def observe(self, loadbalancer_id: str) -> None:
        """Observe a load balancer now and store the results; returns once that is done, or after a few seconds."""
        ...

    def kill(self, loadbalancer_id: str, host_id: str | None = None) -> int:
        """Kill the processes of a load balancer on a host, as in a crash; return how many there were."""
        ...

    def traffic(self, loadbalancer_id: str, listener_ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (listener ID, line of JSON) of the traffic that was logged, newest first for each listener."""
        ...

    def traffic_tail(self, loadbalancer_id: str) -> TrafficTail:
        """Return the lines of a load balancer as they are logged."""
        ...

    def figures(self) -> Figures:
        """Return counters for metrics."""
        ...


class LoggedLine(Protocol):
    """A line of the traffic log."""

    @property
    def listener_id(self) -> str: ...

    @property
    def line(self) -> bytes:
        """JSON."""
        ...


class TrafficTail(Protocol):
    """The latest lines, for readers that each have a position."""

    @property
    def position(self) -> int: ...

    def after(self, position: int) -> tuple[Sequence[LoggedLine], int]:
        """Return the lines after a position, and the new position. Raises feed.Missed."""
        ...

    def watch(self, reader: object, wake: Callable[[], None]) -> None:
        """Have `wake` called whenever there are more lines."""
        ...

    def unwatch(self, reader: object) -> None: ...


class Figures(Protocol):
    """Counters and lengths of the data plane."""

    @property
    def reconciles(self) -> Mapping[str, int]:
        """The number of reconciles by how HAProxy took the change."""
        ...

    @property
    def reconciled(self) -> int: ...

    @property
    def seconds(self) -> float: ...

    @property
    def durations(self) -> tuple[tuple[float, int], ...]:
        """Pairs of seconds and how many reconciles took at most that long."""
        ...

    @property
    def queued(self) -> int: ...

    @property
    def working(self) -> int: ...

    @property
    def processes(self) -> int:
        """The number of running HAProxy processes."""
        ...


@dataclass
class Changed:
    """Settings that have changed since the start; None for those that are as the configuration said at the start."""

    quotas: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Services:
    """The services passed to every handler."""

    store: Store
    tokens: Tokens
    config: Config
    dataplane: DataPlane
    rules: Enforcer
    keystone: Keystone | None = None  # an external one, instead of the built-in service
    barbican: Barbican | None = None
    testing: Kit | None = None  # None: the testing API is disabled
    settlements: Settlements | None = None  # None: writes are answered at once
    throttle: Throttle = field(default_factory=Throttle)
    metrics: Metrics = field(default_factory=Metrics)
    probes: Probes = field(default_factory=Probes)
    request_log: RequestLog = field(default_factory=RequestLog)
    changed: Changed = field(default_factory=Changed)  # by SIGHUP

    @property
    def usual_quotas(self) -> Mapping[str, int]:
        """The quotas of projects that have none of their own, without those that are unlimited."""
        return self.config.quotas if self.changed.quotas is None else self.changed.quotas

    def wake(self, loadbalancer_ids: Iterable[str]) -> None:
        """Reconcile load balancers soon, and wait briefly until that is done; called after a commit.

        For changes that leave load balancers ACTIVE, such as those of floating IPs, security groups and certificates.
        """
        self._wake(list(dict.fromkeys(loadbalancer_ids)), self.dataplane.is_idle)

    def wake_changed(self, loadbalancer_ids: Sequence[str]) -> None:
        """Reconcile load balancers that are PENDING soon, and wait briefly until they have settled."""
        self._wake(loadbalancer_ids, None)

    def _wake(self, loadbalancer_ids: Sequence[str], is_idle: Callable[[str], bool] | None) -> None:
        waits = self.settlements
        waiting = waits.expected(loadbalancer_ids, is_idle) if waits else nullcontext(lambda: None)
        with waiting as until_done:
            for id_ in loadbalancer_ids:
                self.dataplane.wake(id_)
            until_done()
