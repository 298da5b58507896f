"""Looks after changes that hosts do not apply, and after load balancers on two hosts of which one could not serve."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable

from ...batches import batched
from ...store import pairs, vip_groups
from ...store.store import Store
from . import views

PATIENCE = 30.0  # seconds for hosts that are heard to apply a change
ALL_SWEEPS = 60  # between two looks at all load balancers, whatever happens
BATCH = 500  # load balancers that are looked at by one query

Change = tuple[str, int]  # the ID and the revision of a load balancer


class Redundancy:
    """Takes a look at those load balancers of which something was noted; sweep() is called each second."""

    def __init__(
        self, store: Store, tell: Callable[[str], None], wake: Callable[[str], None], patience: float = PATIENCE
    ) -> None:
        """tell(loadbalancer_id) is called after each change of a status; wake(…) has hosts that may be late try again.

        patience: seconds that hosts which are heard have to apply a change.
        """
        self._store = store
        self._tell = tell
        self._wake = wake
        self._patience = patience
        self._lock = threading.Lock()
        self._noted: set[str] = set()
        self._pending: dict[Change, float] = {}  # since when changes have been seen
        self._holders: dict[str, str] = {}  # the hosts with the addresses of groups, as they were shown last
        self._heard: set[str] = set()
        self._sweeps = 0

    def note(self, loadbalancer_id: str) -> None:
        """Look at a load balancer in the next sweep: it, or what hosts report of it, may have changed."""
        with self._lock:
            self._noted.add(loadbalancer_id)

    def sweep(self) -> None:
        """Look at what was noted since the last sweep, or at everything now and then."""
        with self._lock:
            noted, self._noted = self._noted, set()
        is_all = self._sweeps % ALL_SWEEPS == 0
        self._sweeps += 1
        self._settle(None if is_all else noted | {id_ for id_, _ in self._pending})
        self._compare(None if is_all else noted)

    def _settle(self, ids: Collection[str] | None) -> None:
        """Settle changes that wait for hosts in vain; with None, look for all changes."""
        with self._store.reading() as tx:
            found = [each for part in _parts(ids) for each in pairs.pending(tx, part)]
        now = time.monotonic()
        self._pending = {(id_, revision): self._pending.get((id_, revision), now) for id_, revision, _ in found}
        for id_, revision, is_whole in found:
            is_overdue = now - self._pending[id_, revision] >= self._patience
            if is_whole and not is_overdue:
                continue
            with self._store.changing() as tx:
                is_settled = pairs.decide(tx, id_, revision, is_overdue)
            if is_settled:
                self._wake(id_)
                self._tell(id_)

    def _compare(self, ids: Collection[str] | None) -> None:
        """Show what the holders of shared addresses see, and whether the other hosts could serve."""
        with self._store.reading() as tx:
            heard = vip_groups.heard(tx)
            holders = vip_groups.holders(tx, heard)
            differing = {each for part in _parts(ids) for each in pairs.differing(tx, part)}
            if ids is not None and heard != self._heard:
                differing |= set(pairs.differing(tx, hosts=heard ^ self._heard))
        moved = [id_ for id_, host_id in holders.items() if self._holders.get(id_, host_id) != host_id]
        self._holders, self._heard = holders, heard
        for group_id in moved:
            views.show_holder(self._store, group_id)
        for id_ in differing:
            with self._store.changing(is_durable=False) as tx:
                is_changed = pairs.correct(tx, id_)
            if is_changed:
                self._tell(id_)


def _parts(ids: Collection[str] | None) -> Iterable[list[str] | None]:
    """Return IDs in parts of at most BATCH; None, for all, is the only part."""
    return [None] if ids is None else batched(ids, BATCH)
