"""The webhooks and the forwarding of traffic logs, as the configuration says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...store import history
from ...store.feed import Told
from ...store.store import Store
from ..config import Config
from ..services import LoggedLine
from ..telemetry.metrics import Metrics
from . import webhook_file
from .destinations import destination
from .forwarding import Forwarding
from .owners import Owners
from .webhooks import Webhooks

POSITIONS = "webhooks"  # the directory of what has been sent to each webhook


class Outbound:
    """The webhooks and the forwarding of traffic logs."""

    def __init__(self, config: Config, store: Store, metrics: Metrics) -> None:
        """Raises webhook_file.InvalidWebhooks."""
        self._store = store
        self._metrics = metrics
        wanted = webhook_file.read(config.webhooks) if config.webhooks else ()
        self._webhooks = Webhooks(wanted, store.feed, self._stored, config.state_directory / POSITIONS, self._told)
        self._forwarding = Forwarding(map(destination, config.forward_logs), Owners(store), self._forwarded)

    def start(self) -> None:
        self._webhooks.start()
        self._forwarding.start()

    def stop(self) -> None:
        """Stop within a few seconds; called once nothing is logged any more."""
        self._webhooks.stop()
        self._forwarding.stop()

    def forward(self, loadbalancer_id: str, lines: Sequence[LoggedLine]) -> None:
        """Forward lines of a load balancer's traffic log."""
        self._forwarding.take(loadbalancer_id, lines)

    def _stored(self, last: int, scope: Mapping[str, str], limit: int) -> list[Told]:
        with self._store.reading() as tx:
            return history.since(tx, last, scope, limit)

    def _told(self, name: str, outcome: str) -> None:
        self._metrics.webhooks.labels(name, outcome).inc()

    def _forwarded(self, kind: str, outcome: str, number: int) -> None:
        self._metrics.forwarded.labels(kind, outcome).inc(number)
