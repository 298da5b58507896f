"""Warnings in answers to writes that ask for something without an effect."""

from __future__ import annotations

from typing import Any

from ..services import Services
from . import drivers

NO_LIMIT = "vip_qos_policy_id is stored and shown, but limits nothing: this server has no bandwidth limits"


def headers(services: Services, body: Any, provider: str) -> dict[str, str]:
    """Return the headers of an answer to a body that has made or changed a load balancer of the provider."""
    given = next(iter(body.values()), None) if isinstance(body, dict) else None
    is_asked = isinstance(given, dict) and bool(given.get("vip_qos_policy_id"))
    if not is_asked or drivers.is_noop(services.config.providers, provider):
        return {}
    return {"Warning": f'299 lbclient "{NO_LIMIT}"'}
