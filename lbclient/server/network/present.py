"""Present rows of the network API as JSON; a list needs as many queries as a single object."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ...store.network_tables import FIXED_IP, PORT, QOS_RULE, SECURITY_GROUP_RULE, SUBNET
from ..attributes import Kind
from .attributes import (
    FLOATING_IPS,
    NETWORKS,
    PORTS,
    QOS_POLICIES,
    ROUTERS,
    SECURITY_GROUP_RULES,
    SECURITY_GROUPS,
    SUBNETS,
)
from .bodies import Values


def networks(tx: sa.Connection, found: Sequence[Any]) -> list[Values]:
    """Networks with the IDs of their subnets."""
    wanted = sa.select(SUBNET.c.network_id, SUBNET.c.id).where(SUBNET.c.network_id.in_([row.id for row in found]))
    inside = defaultdict(list)
    for network_id, subnet_id in tx.execute(wanted.order_by(SUBNET.c.serial)):
        inside[network_id].append(subnet_id)
    return [{**_plain(NETWORKS, row), "subnets": inside[row.id]} for row in found]


def subnets(tx: sa.Connection, found: Sequence[Any]) -> list[Values]:
    return [_plain(SUBNETS, row) for row in found]


def ports(tx: sa.Connection, found: Sequence[Any]) -> list[Values]:
    """Ports with their addresses."""
    wanted = sa.select(FIXED_IP).where(FIXED_IP.c.port_id.in_([row.id for row in found]))
    held = defaultdict(list)
    for row in tx.execute(wanted.order_by(FIXED_IP.c.port_id, FIXED_IP.c.position)):
        held[row.port_id].append({"subnet_id": row.subnet_id, "ip_address": row.ip_address})
    return [
        {
            **_plain(PORTS, row),
            "fixed_ips": held[row.id],
            "status": "ACTIVE" if row.device_id else "DOWN",
            "binding:profile": {},
            "binding:vif_details": {},
        }
        for row in found
    ]


def floating_ips(tx: sa.Connection, found: Sequence[Any]) -> list[Values]:
    """Floating IPs with details of their associated ports."""
    wanted = sa.select(PORT).where(PORT.c.id.in_([row.port_id for row in found if row.port_id]))
    led_to = {row.id: row for row in tx.execute(wanted)}
    return [
        {
            **{name: value for name, value in _plain(FLOATING_IPS, row).items() if name != "subnet_id"},
            "status": "ACTIVE" if row.port_id else "DOWN",
            "port_details": _details(led_to.get(row.port_id)),
            "port_forwardings": [],
        }
        for row in found
    ]


def security_groups(tx: sa.Connection, found: Sequence[Any]) -> list[Values]:
    """Security groups with their rules."""
    rule = SECURITY_GROUP_RULE.c
    wanted = sa.select(SECURITY_GROUP_RULE).where(rule.security_group_id.in_([row.id for row in found]))
    inside = defaultdict(list)
    for row in tx.execute(wanted.order_by(rule.serial)):
        inside[row.security_group_id].append(_plain(SECURITY_GROUP_RULES, row))
    return [{**_plain(SECURITY_GROUPS, row), "security_group_rules": inside[row.id]} for row in found]


def security_group_rules(tx: sa.Connection, found: Sequence[Any]) -> list[Values]:
    return [_plain(SECURITY_GROUP_RULES, row) for row in found]


def qos_policies(tx: sa.Connection, found: Sequence[Any]) -> list[Values]:
    """QoS policies with their rules."""
    wanted = sa.select(QOS_RULE).where(QOS_RULE.c.qos_policy_id.in_([row.id for row in found]))
    inside = defaultdict(list)
    for row in tx.execute(wanted.order_by(QOS_RULE.c.serial)):
        given = {str(name): value for name, value in row._mapping.items() if value is not None and name != "serial"}
        inside[row.qos_policy_id].append(given)
    return [{**_plain(QOS_POLICIES, row), "rules": inside[row.id]} for row in found]


def routers(tx: sa.Connection, found: Sequence[Any]) -> list[Values]:
    return [_plain(ROUTERS, row) for row in found]


def _details(port: Any) -> Values | None:
    if port is None:
        return None
    names = ("name", "network_id", "mac_address", "admin_state_up", "device_id", "device_owner")
    return {**{name: getattr(port, name) for name in names}, "status": "ACTIVE" if port.device_id else "DOWN"}


def _plain(kind: Kind, row: Any) -> Values:
    object_ = {
        attribute.name: getattr(row, attribute.column_name) if attribute.column_name else attribute.constant
        for attribute in kind.attributes
    }
    return {**object_, "tenant_id": row.project_id, "tags": row.tags}
