"""Warnings in answers to writes that ask for something without an effect."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ...store import shaping
from ...store.records import LoadBalancerRecord
from ..services import Services
from . import drivers

NO_POLICIES = "vip_qos_policy_id is stored and shown, but limits nothing: the network service noop has no policies"
NO_GUARANTEE = "minimum_bandwidth is stored and shown, but guarantees nothing: this server reserves no bandwidth"
NO_LIMIT = "bandwidth limits hold for HTTP, TERMINATED_HTTPS and UDP listeners; TCP and HTTPS ones are not limited"


def headers(services: Services, tx: sa.Connection, loadbalancer: LoadBalancerRecord) -> dict[str, str]:
    """Return the headers of an answer to a write that may have changed what the QoS policy of a VIP concerns."""
    policy_id = loadbalancer.vip_qos_policy_id
    if not policy_id or drivers.is_noop(services.config.providers, loadbalancer.provider):
        return {}
    if services.config.network == "noop":
        return _warning([NO_POLICIES])
    return of_policy(tx, policy_id, [loadbalancer.id])


def of_policy(tx: sa.Connection, policy_id: str, loadbalancer_ids: Sequence[str]) -> dict[str, str]:
    """Return the headers of an answer to a write of a policy that these load balancers have."""
    types = shaping.types(tx, policy_id)
    texts = [NO_GUARANTEE] if "minimum_bandwidth" in types else []
    if "bandwidth_limit" in types and shaping.has_unlimited(tx, loadbalancer_ids):
        texts.append(NO_LIMIT)
    return _warning(texts)


def _warning(texts: Sequence[str]) -> dict[str, str]:
    return {"Warning": ", ".join(f'299 lbclient "{text}"' for text in texts)} if texts else {}
