"""Refuse changes that the provider does not support (501) or cannot use (400), rather than accept and ignore them."""

from __future__ import annotations

from ....store import reading
from ...errors import InvalidInput, UnsupportedOption
from ...services import Services
from .. import capabilities
from .transaction import Change


def check(services: Services, change: Change) -> None:
    """Check that the provider can run the changed load balancer. Raises UnsupportedOption, InvalidInput, BadRequest."""
    name = change.loadbalancer.provider
    capabilities.check_enabled(services, name)
    if services.config.providers[name].is_noop:
        return
    snapshot = reading.snapshot(change.tx, change.loadbalancer.id, with_members=False)  # every member is supported
    if snapshot is None:
        return
    invalid = services.dataplane.invalid(snapshot)
    if invalid:
        raise InvalidInput(*invalid)
    reason = services.dataplane.unsupported(snapshot)
    if reason:
        raise UnsupportedOption(f"Provider '{name}' does not support a requested option: {reason}")
