"""Metrics of the server itself, in the format of Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ...store.observed_tables import EVENT
from ...store.tables import LOADBALANCER

if TYPE_CHECKING:
    from ..services import Services

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds

# Since when a load balancer is PENDING: its oldest change that has not been applied.
_OLDEST = (
    sa.select(sa.func.min(EVENT.c.serial))
    .select_from(EVENT.join(LOADBALANCER, LOADBALANCER.c.id == EVENT.c.loadbalancer_id))
    .where(LOADBALANCER.c.provisioning_status.like("PENDING_%"), EVENT.c.how.is_(None), EVENT.c.revision.is_not(None))
)
STATUSES = ("provisioning_status", "operating_status")


class Metrics:
    """Counts requests; everything else is read when the metrics are asked for."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "lbclient_requests",
            "Requests to the API, by their route and the status of the answer.",
            ("service", "method", "route", "status"),
            registry=self._registry,
        )
        self.durations = Histogram(
            "lbclient_request_duration_seconds",
            "Time until the answer was ready; of a stream, until it began.",
            ("service", "method"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self.failed_logins = Counter("lbclient_failed_logins", "Logins that were refused.", registry=self._registry)
        self.webhooks = Counter(
            "lbclient_webhook_events",
            "Attempts to send an event to a webhook, and events that were given up.",
            ("webhook", "outcome"),
            registry=self._registry,
        )
        self.forwarded = Counter(
            "lbclient_forwarded_log_lines",
            "Lines of traffic logs that were forwarded or given up.",
            ("destination", "outcome"),
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)

    def watch(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Add a gauge whose value is read when the metrics are asked for."""
        Gauge(name, help, registry=self._registry).set_function(read)

    def text(self, services: Services) -> bytes:
        """Return all metrics in Prometheus' text format."""
        state = CollectorRegistry()
        state.register(_State(services))
        return generate_latest(self._registry) + generate_latest(state)


class _State:
    """Collects the present figures of the database and the data plane."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        yield from self._load_balancers()
        yield from self._data_plane()
        yield from self._database()

    def _load_balancers(self) -> Iterator[Metric]:
        with self._services.store.reading() as tx:
            oldest = tx.scalar(_OLDEST)
            counted = {
                name: tx.execute(sa.select(LOADBALANCER.c[name], sa.func.count()).group_by(LOADBALANCER.c[name])).all()
                for name in STATUSES
            }
        for name, rows in counted.items():
            found = GaugeMetricFamily(
                f"lbclient_loadbalancers_by_{name}", f"Load balancers, by their {name}.", labels=(name,)
            )
            for status, number in rows:
                found.add_metric((status,), number)
            yield found
        age = max(0.0, time.time() - oldest / 1e9) if oldest else 0.0
        yield GaugeMetricFamily(
            "lbclient_oldest_pending_seconds",
            "Age of the oldest change that has not been applied; 0 if there is none.",
            value=age,
        )

    def _data_plane(self) -> Iterator[Metric]:
        figures = self._services.dataplane.figures()
        kinds = CounterMetricFamily(
            "lbclient_reconciles", "Load balancers reconciled, by how HAProxy took the change.", labels=("how",)
        )
        for how, number in figures.reconciles.items():
            kinds.add_metric((how,), number)
        yield kinds
        yield CounterMetricFamily(
            "lbclient_haproxy_reloads", "Reloads of HAProxy.", value=figures.reconciles.get("reloaded", 0)
        )
        buckets = [(f"{limit:g}", float(number)) for limit, number in figures.durations]
        yield HistogramMetricFamily(
            "lbclient_reconcile_duration_seconds",
            "Time to reconcile a load balancer.",
            buckets=[*buckets, ("+Inf", float(figures.reconciled))],
            sum_value=figures.seconds,
        )
        yield GaugeMetricFamily("lbclient_haproxy_processes", "Running HAProxy processes.", value=figures.processes)
        yield GaugeMetricFamily(
            "lbclient_reconcile_queue_length", "Load balancers that are due to be reconciled.", value=figures.queued
        )
        yield GaugeMetricFamily(
            "lbclient_reconciles_in_progress", "Load balancers being reconciled.", value=figures.working
        )

    def _database(self) -> Iterator[Metric]:
        figures = self._services.store.figures
        yield CounterMetricFamily("lbclient_database_transactions", "Write transactions.", value=figures.finished)
        yield CounterMetricFamily(
            "lbclient_database_wait_seconds",
            "Time that write transactions waited for their turn.",
            value=figures.waited,
        )
        yield CounterMetricFamily(
            "lbclient_database_write_seconds",
            "Time that write transactions took, with their commit.",
            value=figures.writing,
        )
        yield GaugeMetricFamily(
            "lbclient_database_queue_length", "Write transactions that wait for their turn.", value=figures.waiting
        )
