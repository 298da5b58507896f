"""A data plane for tests of the API in process: nothing runs, and the test says what waking a load balancer does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lbclient.dataplane.config.unsupported import invalid
from lbclient.dataplane.figures import Figures, Reconciled
from lbclient.dataplane.haproxy.attachments import Attachment
from lbclient.store.feed import Tail
from lbclient.store.snapshot import Snapshot


@dataclass(frozen=True)
class FakeDataPlane:
    """No connections are open, and there is nothing to observe."""

    on_wake: Callable[[str], object] = lambda loadbalancer_id: None
    refusal: Callable[[Snapshot], str | None] = lambda snapshot: None
    own: tuple[str, ...] = ()
    duplicates: Mapping[str, str] = field(default_factory=dict)  # what is said of addresses of other machines
    attachment: Attachment | None = None  # whose addresses there are; None: any

    def wake(self, loadbalancer_id: str, project_id: str | None = None) -> None:
        self.on_wake(loadbalancer_id)

    def is_idle(self, loadbalancer_id: str) -> bool:
        return True

    def unsupported(self, snapshot: Snapshot) -> str | None:
        return self.refusal(snapshot)

    def invalid(self, snapshot: Snapshot) -> tuple[str, str, str] | None:
        return invalid(snapshot)

    def own_addresses(self) -> tuple[str, ...]:
        return self.own

    def address_refusal(self, address: str) -> str | None:
        return self.attachment.refusal(address) if self.attachment else None

    def port_refusal(self, port: int) -> str | None:
        return None

    def duplicate(self, address: str) -> str | None:
        return self.duplicates.get(address)

    def active_connections(self, loadbalancer_id: str, pool_id: str, member_id: str) -> int | None:
        return 0

    def performance(self, loadbalancer_id: str) -> dict[str, dict[str, float | None]]:
        return {loadbalancer_id: {"requests": 0, "response_milliseconds": None}}

    def traffic(self, loadbalancer_id: str, listener_ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        return iter(())

    def traffic_tail(self, loadbalancer_id: str) -> Tail[Any]:
        return Tail()

    def figures(self) -> Figures:
        return Reconciled().figures(0, 0, 0)

    def kill(self, loadbalancer_id: str, host_id: str | None = None) -> int:
        return 0

    def observe(self, loadbalancer_id: str) -> None:
        return None
