"""The data plane of this machine: a reconciler and an observer, with the operations that API requests need."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ..store.snapshot import Snapshot
from ..store.store import Store
from .figures import Figures
from .haproxy import binding, connections, process_table
from .haproxy.attachments import Attachment
from .observe.observer import Observer
from .reconcile import Pace, Reconciler


class LocalDataPlane:
    """HAProxy processes on this machine, one directory below `directory` for each load balancer."""

    def __init__(
        self,
        store: Store,
        directory: Path,
        haproxy: str,
        attachment: Attachment,
        is_noop: Callable[[str], bool],
        pace: Pace | None = None,
    ) -> None:
        self._store = store
        self._is_noop = is_noop
        self._directory = directory
        self._attachment = attachment
        self._reconciler = Reconciler(store, directory, haproxy, attachment, is_noop=is_noop, pace=pace)
        self._observer = Observer(store, directory, self._reconciler)

    def take_over(self) -> None:
        """Take over the addresses that are still attached, and detach those that no load balancer needs any more.

        Raises AttachmentFailed if addresses cannot be attached to this machine at all.
        """
        wanted = self._store.addresses()
        self._attachment.start({id_: found for (id_, provider), found in wanted.items() if not self._is_noop(provider)})

    def start(self) -> None:
        """Start reconciling and observing all load balancers."""
        self._reconciler.start()
        self._observer.start()

    def stop(self) -> None:
        """Stop reconciling and observing; the HAProxy processes keep running."""
        self._observer.stop()
        self._reconciler.stop()
        self._attachment.stop()

    def wake(self, loadbalancer_id: str, project_id: str | None = None) -> None:
        """Queue a load balancer for reconciling. Its project is looked up unless it is given."""
        self._reconciler.wake(loadbalancer_id, project_id)

    def on_reconciled(self, tell: Callable[[str], None]) -> None:
        """Register a callback: tell(loadbalancer_id) is called after each reconciling, even without a change."""
        self._reconciler.on_change(tell)

    def kill(self, loadbalancer_id: str) -> int:
        """Kill the processes of a load balancer without a warning, like a crash; return how many there were."""
        return process_table.kill(self._directory.absolute() / loadbalancer_id)

    def unsupported(self, snapshot: Snapshot) -> str | None:
        """Return why this machine cannot run a load balancer; None if it can."""
        return self._reconciler.unsupported(snapshot)

    def own_addresses(self) -> Iterable[str]:
        """Return the machine's own addresses that could be mistaken for addresses of load balancers."""
        return self._attachment.own_addresses()

    def address_refusal(self, address: str) -> str | None:
        """Return why an address can never be attached to this machine for a load balancer; None if it may."""
        return self._attachment.refusal(address)

    def port_refusal(self, port: int) -> str | None:
        """Return why HAProxy can never listen on a port here; None if it may."""
        return binding.low_port_refusal(port)

    def active_connections(self, loadbalancer_id: str, pool_id: str, member_id: str) -> int | None:
        """Return the number of open connections to a member; None if the proxy does not answer."""
        return connections.open_to(self._directory, loadbalancer_id, pool_id, member_id)

    def figures(self) -> Figures:
        """Return counters for metrics."""
        return self._reconciler.figures()

    def observe(self, loadbalancer_id: str) -> None:
        """Observe a load balancer now and store the results; return when that is done, or after a few seconds."""
        self._observer.observe_now(loadbalancer_id)
