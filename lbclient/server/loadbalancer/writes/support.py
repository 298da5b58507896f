"""Refuse changes that the provider does not support with 501, rather than accept and ignore them."""

from __future__ import annotations

from ....store import reading
from ...errors import UnsupportedOption
from ...services import Services
from .. import capabilities
from .transaction import Change


def check(services: Services, change: Change) -> None:
    """Check that the provider supports the changed load balancer. Raises UnsupportedOption and BadRequest."""
    name = change.loadbalancer.provider
    capabilities.check_enabled(services, name)
    if services.config.providers[name].is_noop:
        return
    snapshot = reading.snapshot(change.tx, change.loadbalancer.id, with_members=False)  # every member is supported
    reason = services.dataplane.unsupported(snapshot) if snapshot else None
    if reason:
        raise UnsupportedOption(f"Provider '{name}' does not support a requested option: {reason}")
