"""The data plane of all hosts: what concerns a load balancer goes to the host that runs it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from ...store import departures, leases, placing, prepared, reading
from ...store.cluster_tables import SERVER
from ...store.records import AmphoraRecord
from ...store.store import Store
from ...store.tables import LOADBALANCER
from ...strings import reason
from ..peers import Carrier
from ..services import Figures, TrafficTail
from .hub import Hub
from .redundancy import Redundancy

if TYPE_CHECKING:
    from ...store.snapshot import Snapshot

LOG = logging.getLogger(__name__)
SWEEP_SECONDS = 1.0


class Cluster:
    """This machine's data plane, and the agents of other hosts."""

    def __init__(self, store: Store, local: Carrier, hub: Hub) -> None:
        self._store = store
        self._local = local
        self._hub = hub
        self._redundancy = Redundancy(store, self.reconciled, self.wake)
        self._watchers: list[Callable[[str], None]] = []
        # Of load balancers on two hosts: these hosts, and the addresses, as they were told last.
        self._shared: dict[str, tuple[frozenset[str], tuple[str, ...]]] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hosts", daemon=True)

    def start(self) -> None:
        """Start to move load balancers, and to watch the leases of hosts."""
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()

    def on_reconciled(self, tell: Callable[[str], None]) -> None:
        """Register a callback: tell(loadbalancer_id) is called after each reconciling, on whatever host."""
        self._watchers.append(tell)
        self._local.on_reconciled(tell)

    def reconciled(self, loadbalancer_id: str) -> None:
        """Pass on that an agent has reconciled a load balancer."""
        if loadbalancer_id in self._shared:
            self._tell_groups(loadbalancer_id, self._amphorae(loadbalancer_id))
        self._redundancy.note(loadbalancer_id)
        for tell in self._watchers:
            tell(loadbalancer_id)

    def wake(self, loadbalancer_id: str, project_id: str | None = None) -> None:
        """Have the load balancer's hosts reconcile it soon."""
        self._redundancy.note(loadbalancer_id)
        amphorae = self._amphorae(loadbalancer_id)
        for host_id in _places(amphorae):
            if host_id is None:
                self._local.wake(loadbalancer_id, project_id)
            else:
                self._hub.post(host_id, wake=loadbalancer_id, project=project_id)
        if loadbalancer_id in self._shared or any(each.vip_group_id for each in amphorae):
            self._tell_groups(loadbalancer_id, amphorae)

    def is_idle(self, loadbalancer_id: str) -> bool:
        """Return whether this machine has nothing left to do for a load balancer; nothing is known of other hosts."""
        return self._local.is_idle(loadbalancer_id)

    def _tell_groups(self, loadbalancer_id: str, amphorae: Collection[AmphoraRecord]) -> None:
        """Tell the hosts of a load balancer that addresses which they share have changed, if they have."""
        with self._store.reading() as tx:
            row = prepared.by(LOADBALANCER, "id").first(tx, id=loadbalancer_id)
            addresses = reading.addresses(tx, row) if row is not None else ()
        hosts = frozenset(each.host_id for each in amphorae if each.vip_group_id is not None)
        known = self._shared.get(loadbalancer_id)
        if known == (hosts, addresses):
            return
        if hosts:
            self._shared[loadbalancer_id] = hosts, addresses
        else:
            self._shared.pop(loadbalancer_id, None)
        for host_id in hosts | (known[0] if known else frozenset()):
            self._hub.post(host_id, groups=True)

    def _tell(self, told: departures.Told) -> None:
        """Tell hosts that their groups have changed, once each, and have load balancers that have moved reconciled."""
        for host_id in told.hosts:
            self._hub.post(host_id, groups=True)
        for id_ in told.loadbalancers:
            known = self._shared.get(id_)
            if known is not None:
                self._shared[id_] = frozenset(each.host_id for each in self._amphorae(id_)), known[1]
            self.wake(id_)

    def wake_pending(self) -> None:
        self._local.wake_pending()

    def observe(self, loadbalancer_id: str) -> None:
        for host_id in self._hosts(loadbalancer_id):
            if host_id is None:
                self._local.observe(loadbalancer_id)
            else:
                self._hub.ask(host_id, "observe", id=loadbalancer_id)

    def active_connections(self, loadbalancer_id: str, pool_id: str, member_id: str) -> int | None:
        """Return the number of open connections on all hosts; None if one does not answer."""
        counts: list[int | None] = []
        for host_id in self._hosts(loadbalancer_id):
            if host_id is None:
                counts.append(self._local.active_connections(loadbalancer_id, pool_id, member_id))
            else:
                said = {"id": loadbalancer_id, "pool_id": pool_id, "member_id": member_id}
                counts.append(self._hub.ask(host_id, "connections", **said))
        known = [each for each in counts if each is not None]
        return sum(known) if len(known) == len(counts) else None

    def performance(self, loadbalancer_id: str) -> Mapping[str, Mapping[str, float | None]] | None:
        """Return what HAProxy measures, as far as it runs on this machine; None if it runs on another."""
        is_here = self._hosts(loadbalancer_id) == [None]
        return self._local.performance(loadbalancer_id) if is_here else None

    def kill(self, loadbalancer_id: str, host_id: str | None = None) -> int:
        if host_id in (None, SERVER):
            return self._local.kill(loadbalancer_id)
        return int(self._hub.ask(host_id, "kill", id=loadbalancer_id) or 0)

    def unsupported(self, snapshot: Snapshot) -> str | None:
        """Return why this machine's HAProxy could not run the load balancer; hosts are expected to have the same."""
        return self._local.unsupported(snapshot)

    def invalid(self, snapshot: Snapshot) -> tuple[str, str, str] | None:
        return self._local.invalid(snapshot)

    def own_addresses(self) -> Iterable[str]:
        return self._local.own_addresses()

    def address_refusal(self, address: str) -> str | None:
        return self._local.address_refusal(address)

    def duplicate(self, address: str) -> str | None:
        """Return that a machine near this one has an address; other hosts look for it when they attach it."""
        return self._local.duplicate(address)

    def port_refusal(self, port: int) -> str | None:
        return self._local.port_refusal(port)

    def traffic(self, loadbalancer_id: str, listener_ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield what was logged on this machine: the traffic logs of other hosts stay there."""
        return self._local.traffic(loadbalancer_id, listener_ids)

    def traffic_tail(self, loadbalancer_id: str) -> TrafficTail:
        return self._local.traffic_tail(loadbalancer_id)

    def figures(self) -> Figures:
        return self._local.figures()

    def _amphorae(self, loadbalancer_id: str) -> list[AmphoraRecord]:
        with self._store.reading() as tx:
            return placing.amphorae(tx, loadbalancer_id)

    def _hosts(self, loadbalancer_id: str) -> list[str | None]:
        """Return the hosts of a load balancer, the MASTER first; None is this machine."""
        return _places(self._amphorae(loadbalancer_id))

    def _work(self) -> None:
        while not self._is_over.wait(SWEEP_SECONDS):
            try:
                self._sweep()
            except SQLAlchemyError as error:
                LOG.warning("hosts cannot be looked after, will try again: %s", reason(error))
            except Exception:
                LOG.exception("hosts cannot be looked after, will try again")

    def _sweep(self) -> None:
        with self._store.reading() as tx:
            is_any = leases.is_any_leaving(tx)
            is_any_group = departures.is_any_leaving(tx)
            yielding = departures.about_to_yield(tx) if is_any_group else []
            silent = leases.silent(tx)
        for group, other in yielding:  # that host then passes packets of open connections on to the one that yields
            self._hub.ask(other, "expect", group=group)
        if is_any:
            with self._store.writing() as tx:
                moved = leases.leaving(tx)
            for id_ in moved:
                self.wake(id_)
        if is_any_group:
            with self._store.writing() as tx:
                told = departures.leaving(tx, [group for group, _ in yielding])
            self._tell(told)
        self._redundancy.sweep()
        for name, id_ in silent:
            self._show_silence(name, id_)

    def _show_silence(self, host: str, loadbalancer_id: str) -> None:
        """Show that a load balancer's host is not heard: its changes end in ERROR until it is back."""
        why = f"The host {host} is not heard."
        snapshot = self._store.snapshot(loadbalancer_id)
        if snapshot is None:
            return
        if snapshot.loadbalancer.provisioning_status.startswith("PENDING_"):
            self._store.settle(replace(snapshot, peers=()), why)  # no host can settle it
        statuses: Mapping[tuple[str, str], str] = {("loadbalancer", loadbalancer_id): "ERROR"}
        self._store.observed(loadbalancer_id, statuses, None, dict.fromkeys(statuses, why))
        self.reconciled(loadbalancer_id)


def _places(amphorae: Collection[AmphoraRecord]) -> list[str | None]:
    """Return the hosts of amphorae; None is this machine, which also settles load balancers that have none."""
    return [None if each.host_id == SERVER else each.host_id for each in amphorae] or [None]
