"""Warnings in answers to writes that ask for something without an effect."""

from __future__ import annotations

import sqlalchemy as sa

from ...store.records import LoadBalancerRecord
from ..network import unkept
from ..services import Services

NO_POLICIES = "vip_qos_policy_id is stored and shown, but limits nothing: the network service noop has no policies"


def headers(services: Services, tx: sa.Connection, loadbalancer: LoadBalancerRecord) -> dict[str, str]:
    """Return the headers of an answer to a write that may have changed what the QoS policy of a VIP concerns."""
    policy_id = loadbalancer.vip_qos_policy_id
    if not policy_id or services.config.is_noop(loadbalancer.provider):
        return {}
    if services.config.network == "noop":
        return unkept.warning(NO_POLICIES)
    return unkept.headers(tx, policy_id, [loadbalancer.id])
