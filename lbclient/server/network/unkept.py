"""Warnings about rules of QoS policies that have no effect."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ...store import shaping

NO_GUARANTEE = "minimum_bandwidth is stored and shown, but guarantees nothing: this server reserves no bandwidth"
OF_A_PORT = "a QoS policy of a port is stored and shown only: that of a load balancer is its vip_qos_policy_id"
NO_LIMIT = "bandwidth limits hold for HTTP, TERMINATED_HTTPS and UDP listeners; TCP and HTTPS ones are not limited"


def headers(tx: sa.Connection, policy_id: str, loadbalancer_ids: Sequence[str]) -> dict[str, str]:
    """Return the headers of an answer to a write that concerns a policy and the load balancers that have it."""
    types = shaping.types(tx, policy_id)
    texts = [NO_GUARANTEE] if "minimum_bandwidth" in types else []
    if "bandwidth_limit" in types and shaping.has_unlimited(tx, loadbalancer_ids):
        texts.append(NO_LIMIT)
    return warning(*texts)


def warning(*texts: str) -> dict[str, str]:
    """Return the header with these warnings; none if there are none."""
    return {"Warning": ", ".join(f'299 lbclient "{text}"' for text in texts)} if texts else {}
