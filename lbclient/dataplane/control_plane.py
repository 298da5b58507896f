"""The control plane as the data plane sees it: the database of this process, or a server on another host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ..store.snapshot import Snapshot
from ..store.store import Check, Key, Outcome, Statuses, Totals


class ControlPlane(Protocol):
    """The source of the load balancers that one host is to run, and the receiver of its reports on them.

    In return, the data plane is told the IDs of load balancers that have changed: `wake` of the reconciler.
    """

    def roster(self) -> list[tuple[str, str, bool]]:
        """Return (ID, project ID, whether its status is PENDING_*) for each load balancer of this host."""
        ...

    def addresses(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return the addresses of these load balancers, by (load balancer ID, provider name)."""
        ...

    def project_of(self, loadbalancer_id: str) -> str | None:
        """Return the project ID of a load balancer; None if the load balancer does not exist."""
        ...

    def snapshot(self, loadbalancer_id: str, before: Snapshot | None = None) -> Snapshot | None:
        """Return the current state of a load balancer; None if this host is not to run it.

        `before` is an earlier snapshot whose changes are all settled, so that only what has changed need be read.
        """
        ...

    def settle(
        self,
        snapshot: Snapshot,
        error: str | None,
        outcome: Outcome | None = None,
        expect: Callable[[Statuses], Statuses] = dict,
    ) -> bool:
        """Settle the changes that the snapshot saw; return whether the load balancer is still PENDING_*.

        On success, operating statuses become those that `expect` returns when given the current ones.
        """
        ...

    def settle_noop(self, loadbalancer_id: str, reported: Mapping[str, str]) -> None:
        """Settle all changes of a load balancer of the no-op provider, whose members get the reported statuses."""
        ...

    def observed(
        self,
        loadbalancer_id: str,
        statuses: Statuses,
        checks: Mapping[str, Check | None] | None = None,
        reasons: Mapping[Key, str] | None = None,
        revision: int | None = None,
    ) -> None:
        """Store operating statuses and check results, unless the load balancer has changed since that revision."""
        ...

    def released(self, loadbalancer_id: str) -> None:
        """Report that nothing runs here of a load balancer that this host is not to run."""
        ...

    def all_counted(self, totals: Mapping[str, Totals]) -> None:
        """Store the totals of many load balancers, by load balancer ID."""
        ...
