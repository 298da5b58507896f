"""What the provider carries: anything else is refused with 501, never accepted and dropped."""

from __future__ import annotations

from ....store import reading
from ...errors import UnsupportedOption
from ...services import Services
from .. import capabilities
from .transaction import Change


def check(services: Services, change: Change) -> None:
    """Refuse a change after which the load balancer could not be carried. Raises UnsupportedOption and BadRequest."""
    name = change.loadbalancer.provider
    capabilities.check_enabled(services, name)
    if services.config.providers[name].is_noop:
        return
    snapshot = reading.snapshot(
        change.tx, change.loadbalancer.id, with_members=False
    )  # all that there are, are carried
    reason = services.dataplane.unsupported(snapshot) if snapshot else None
    if reason:
        raise UnsupportedOption(f"Provider '{name}' does not support a requested option: {reason}")
