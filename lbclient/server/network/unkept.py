"""Warnings about what has no effect: rules of QoS policies and security groups, and both of these on ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ...store import admission, shaping

NO_GUARANTEE = "minimum_bandwidth is stored and shown, but guarantees nothing: this server reserves no bandwidth"
OF_A_PORT = "a QoS policy of a port is stored and shown only: that of a load balancer is its vip_qos_policy_id"
GROUPS_OF_A_PORT = (
    "security groups of a port restrict nothing: they only say whom rules with remote_group_id admit; those of a load "
    "balancer are its vip_sg_ids"
)
EGRESS = "rules for outgoing traffic are stored and shown only: this server does not filter what ports send"
OTHER_PROTOCOL = "only rules for tcp, udp or any protocol admit clients to listeners; others are stored and shown only"
STATELESS = "stateful is stored and shown only: answers to admitted clients are never filtered"
NO_LIMIT = "bandwidth limits hold for HTTP, TERMINATED_HTTPS and UDP listeners; TCP and HTTPS ones are not limited"


def headers(tx: sa.Connection, policy_id: str, loadbalancer_ids: Sequence[str]) -> dict[str, str]:
    """Return the headers of an answer to a write that concerns a policy and the load balancers that have it."""
    types = shaping.types(tx, policy_id)
    texts = [NO_GUARANTEE] if "minimum_bandwidth" in types else []
    if "bandwidth_limit" in types and shaping.has_unlimited(tx, loadbalancer_ids):
        texts.append(NO_LIMIT)
    return warning(*texts)


def of_group(values: Mapping[str, Any]) -> list[str]:
    """Return the warnings about values of a security group."""
    return [] if values.get("stateful", True) else [STATELESS]


def of_rule(direction: str, protocol: str | None) -> list[str]:
    """Return the warnings about a rule of a security group; without a protocol it is for any."""
    if direction == "egress":
        return [EGRESS]
    return [] if admission.is_effective(protocol) else [OTHER_PROTOCOL]


def warning(*texts: str) -> dict[str, str]:
    """Return the header with these warnings, each of them once; no header if there are none."""
    return {"Warning": ", ".join(f'299 lbclient "{text}"' for text in dict.fromkeys(texts))} if texts else {}
