"""The networks from which security groups of VIPs admit clients, and the load balancers that these rules concern."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from .network_tables import FIXED_IP, PORT, SECURITY_GROUP_RULE
from .records import ListenerRecord, LoadBalancerRecord
from .tables import LOADBALANCER

NUMBERS = {"tcp": "6", "udp": "17"}
EVERYWHERE = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
UDP = "UDP"


def admitted(
    tx: sa.Connection, loadbalancer: LoadBalancerRecord, listeners: Iterable[ListenerRecord]
) -> dict[str, tuple[str, ...]]:
    """Return the networks that may reach each listener, by its ID; nothing if the VIP has no security groups.

    As in Neutron, groups only admit: without a rule for it, a listener is reached from nowhere.
    """
    groups = loadbalancer.vip_sg_ids
    if not groups:
        return {}
    rule = SECURITY_GROUP_RULE.c
    wanted = rule.security_group_id.in_(groups) & (rule.direction == "ingress")
    rules = tx.execute(sa.select(SECURITY_GROUP_RULE).where(wanted).order_by(rule.serial)).all()
    return {
        each.id: tuple(
            dict.fromkeys(network for rule in rules if _concerns(rule, each) for network in _networks(tx, rule))
        )
        for each in listeners
    }


def is_effective(protocol: str | None) -> bool:
    """Whether a rule for this protocol, None for any, can admit clients to a listener."""
    return protocol is None or any(protocol in pair for pair in NUMBERS.items())


def _concerns(rule: sa.Row[Any], listener: ListenerRecord) -> bool:
    protocol = "udp" if listener.protocol == UDP else "tcp"
    if rule.protocol not in (None, protocol, NUMBERS[protocol]):
        return False
    low, high = rule.port_range_min, rule.port_range_max
    return low is None or high is None or low <= listener.protocol_port <= high


def _networks(tx: sa.Connection, rule: sa.Row[Any]) -> list[str]:
    if rule.remote_group_id is None:
        return [rule.remote_ip_prefix or EVERYWHERE[rule.ethertype]]
    joined = sa.join(FIXED_IP, PORT, FIXED_IP.c.port_id == PORT.c.id)
    has_group = sa.cast(PORT.c.security_groups, sa.Text).contains(rule.remote_group_id, autoescape=True)
    found = tx.scalars(
        sa.select(FIXED_IP.c.ip_address).select_from(joined).where(has_group).order_by(FIXED_IP.c.sort_key)
    )
    is_wanted = ":" if rule.ethertype == "IPv6" else "."
    return [f"{address}/{128 if ':' in address else 32}" for address in found if is_wanted in address]


def concerned(tx: sa.Connection, group_ids: Sequence[str]) -> list[str]:
    """Return the IDs of the load balancers whose VIPs have one of the groups, or a group with a rule about one."""
    rule = SECURITY_GROUP_RULE.c
    about = tx.scalars(sa.select(rule.security_group_id).where(rule.remote_group_id.in_(group_ids)))
    groups = {*group_ids, *about}
    found: dict[str, None] = {}
    for group in sorted(groups):
        has_group = sa.cast(LOADBALANCER.c.vip_sg_ids, sa.Text).contains(group, autoescape=True)
        found.update(dict.fromkeys(tx.scalars(sa.select(LOADBALANCER.c.id).where(has_group))))
    return list(found)
