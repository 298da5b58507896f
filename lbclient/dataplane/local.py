"""The data plane of this machine: a reconciler and an observer, with the operations that API requests need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..store.snapshot import Snapshot
from ..store.store import Tail
from .config import traffic
from .config.unsupported import invalid
from .control_plane import ControlPlane
from .figures import Figures
from .haproxy import binding, connections, performance, process_table
from .haproxy.attachments import Attachment
from .haproxy.held_workers import HeldWorkers
from .haproxy.unprivileged import User
from .observe import traffic_files
from .observe.observer import Observer
from .observe.traffic_log import Forward, Logged, TrafficLogs
from .pace import Pace
from .reconcile import Reconciler


class LocalDataPlane:
    """HAProxy processes on this machine, one directory below `directory` for each load balancer."""

    def __init__(
        self,
        control_plane: ControlPlane,
        directory: Path,
        haproxy: str,
        attachment: Attachment,
        is_noop: Callable[[str], bool],
        pace: Pace | None = None,
        user: User | None = None,
        forward: Forward | None = None,
    ) -> None:
        self._control_plane = control_plane
        self._is_noop = is_noop
        self._directory = directory
        self._attachment = attachment
        self._reconciler = Reconciler(
            control_plane, directory, haproxy, attachment, is_noop=is_noop, pace=pace, around=self._logging, user=user
        )
        self._observer = Observer(control_plane, directory, self._reconciler)
        self._traffic = TrafficLogs(directory, forward)
        self._reconciler.on_change(self._forget_traffic)
        self._held_workers = HeldWorkers(self._traffic.late)
        self._logged: set[str] = set()  # load balancers whose traffic is or was logged

    def take_over(self) -> None:
        """Take over the addresses that are still attached, and detach those that no load balancer needs any more.

        Raises AttachmentFailed if addresses cannot be attached to this machine at all.
        """
        wanted = self._control_plane.addresses()
        self._attachment.start({id_: found for (id_, provider), found in wanted.items() if not self._is_noop(provider)})

    def start(self) -> None:
        """Start reconciling and observing all load balancers."""
        self._traffic.start()
        self._reconciler.start()
        self._observer.start()

    def stop(self) -> None:
        """Stop reconciling and observing; the HAProxy processes keep running."""
        self._observer.stop()
        self._reconciler.stop()
        self._held_workers.stop()
        self._traffic.stop()
        self._attachment.stop()

    def wake(self, loadbalancer_id: str, project_id: str | None = None) -> None:
        """Queue a load balancer for reconciling. Its project is looked up unless it is given."""
        self._reconciler.wake(loadbalancer_id, project_id)

    def wake_pending(self) -> None:
        """Queue the load balancers with pending changes that are neither queued nor being reconciled."""
        self._reconciler.wake_pending()

    def is_idle(self, loadbalancer_id: str) -> bool:
        """Return whether all wakes of a load balancer have been followed by a reconciling."""
        return self._reconciler.is_idle(loadbalancer_id)

    def on_reconciled(self, tell: Callable[[str], None]) -> None:
        """Register a callback: tell(loadbalancer_id) is called after each reconciling, even without a change."""
        self._reconciler.on_change(tell)

    def kill(self, loadbalancer_id: str, host_id: str | None = None) -> int:
        """Kill the processes of a load balancer without a warning, like a crash; return how many there were.

        The host is this one, whatever its ID.
        """
        return process_table.kill(self._directory.absolute() / loadbalancer_id)

    def unsupported(self, snapshot: Snapshot) -> str | None:
        """Return why this machine cannot run a load balancer; None if it can."""
        return self._reconciler.unsupported(snapshot)

    def invalid(self, snapshot: Snapshot) -> tuple[str, str, str] | None:
        """Return an attribute, its value, and why HAProxy refuses this value; None if it refuses none."""
        return invalid(snapshot)

    def own_addresses(self) -> Iterable[str]:
        """Return the machine's own addresses that could be mistaken for addresses of load balancers."""
        return self._attachment.own_addresses()

    def address_refusal(self, address: str) -> str | None:
        """Return why an address can never be attached to this machine for a load balancer; None if it may."""
        return self._attachment.refusal(address)

    def port_refusal(self, port: int) -> str | None:
        """Return why HAProxy can never listen on a port here; None if it may."""
        return binding.low_port_refusal(port)

    def duplicate(self, address: str) -> str | None:
        """Return that another machine answers for an address, after up to a second; None if none answers."""
        return self._attachment.duplicate(address)

    def active_connections(self, loadbalancer_id: str, pool_id: str, member_id: str) -> int | None:
        """Return the number of open connections to a member; None if the proxy does not answer."""
        return connections.open_to(self._directory, loadbalancer_id, pool_id, member_id)

    def performance(self, loadbalancer_id: str) -> performance.Performance | None:
        """Return requests and response times of a load balancer's parts; None if a process does not answer."""
        return performance.of(self._directory, loadbalancer_id)

    def traffic(self, loadbalancer_id: str, listener_ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (listener ID, line of JSON) of the traffic that was logged, newest first for each listener."""
        return traffic_files.read(self._directory / loadbalancer_id, listener_ids)

    def traffic_tail(self, loadbalancer_id: str) -> Tail[Logged]:
        """Return the lines of a load balancer as they are logged."""
        return self._traffic.tail(loadbalancer_id)

    @contextmanager
    def _logging(self, loadbalancer_id: str, snapshot: Snapshot) -> Iterator[Callable[[str], None]]:
        """Lose no line of the traffic log while a configuration is applied.

        HAProxy can connect before it logs its first line, and a replaced worker is held until it has sent its last one.
        """
        settings = {each.id: traffic.setting(each, snapshot) for each in snapshot.listeners}
        if loadbalancer_id not in self._logged and not any(settings.values()):
            yield lambda how: None
            return
        self._logged.add(loadbalancer_id)
        retention = {id_: each["retention"] if each else traffic.KEPT_WHILE_OFF for id_, each in settings.items()}
        self._traffic.watch(loadbalancer_id, retention)
        position = self._traffic.tail(loadbalancer_id).position
        with self._held_workers.holding(self._directory.absolute() / loadbalancer_id, position) as held:

            def report(how: str) -> None:
                if held is not None:
                    held.is_kept = how == "reloaded"

            yield report

    def _forget_traffic(self, loadbalancer_id: str) -> None:
        """Stop receiving lines of a load balancer that is gone."""
        if loadbalancer_id in self._logged and self._reconciler.state(loadbalancer_id) is None:
            self._logged.discard(loadbalancer_id)
            self._traffic.watch(loadbalancer_id, None)

    def figures(self) -> Figures:
        """Return counters for metrics."""
        return self._reconciler.figures()

    def observe(self, loadbalancer_id: str) -> None:
        """Observe a load balancer now and store the results; return when that is done, or after a few seconds."""
        self._observer.observe_now(loadbalancer_id)
