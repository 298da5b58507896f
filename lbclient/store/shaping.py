"""The rules of QoS policies of VIPs that change traffic, and the load balancers that they concern."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from .network_tables import QOS_RULE
from .records import LoadBalancerRecord
from .snapshot import Shaping
from .tables import LISTENER, LOADBALANCER

UNLIMITED = ("TCP", "HTTPS")  # protocols of listeners whose bandwidth HAProxy cannot limit without losing data


def shaping(tx: sa.Connection, loadbalancer: LoadBalancerRecord) -> Shaping:
    """Return what the QoS policy of a load balancer says. A limit of 0 means none, as in Neutron."""
    policy_id = loadbalancer.vip_qos_policy_id
    if policy_id is None:
        return Shaping()
    found = tx.execute(sa.select(QOS_RULE).where(QOS_RULE.c.qos_policy_id == policy_id)).all()
    limits = {rule.direction: rule.max_kbps or None for rule in found if rule.type == "bandwidth_limit"}
    marks = [rule.dscp_mark for rule in found if rule.type == "dscp_marking"]
    return Shaping(limits.get("egress"), limits.get("ingress"), next(iter(marks), None))


def concerned(tx: sa.Connection, policy_id: str) -> list[str]:
    """Return the IDs of the load balancers whose VIPs have a policy."""
    return list(tx.scalars(sa.select(LOADBALANCER.c.id).where(LOADBALANCER.c.vip_qos_policy_id == policy_id)))


def types(tx: sa.Connection, policy_id: str) -> set[str]:
    """Return the types of the rules that a policy has."""
    return set(tx.scalars(sa.select(QOS_RULE.c.type).where(QOS_RULE.c.qos_policy_id == policy_id)))


def has_unlimited(tx: sa.Connection, loadbalancer_ids: Sequence[str]) -> bool:
    """Whether one of the load balancers has a listener that no bandwidth limit reaches."""
    wanted = LISTENER.c.loadbalancer_id.in_(loadbalancer_ids), LISTENER.c.protocol.in_(UNLIMITED)
    return tx.scalar(sa.select(LISTENER.c.id).where(*wanted).limit(1)) is not None
