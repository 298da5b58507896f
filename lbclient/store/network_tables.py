"""Tables of the network service, and the release of a load balancer's ports."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from .prepared import by
from .tables import Json, metadata

FLOATING_IP_PORT = "network:floatingip"  # the device_owner of the port that holds a floating IP's own address


def _owned() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(255), nullable=False, index=True),
        sa.Column("description", sa.Text, nullable=False, default=""),
        sa.Column("tags", Json, nullable=False, default=[]),
        # Time of creation in nanoseconds: the order of lists.
        sa.Column("serial", sa.BigInteger, nullable=False, index=True),
        sa.Column("revision_number", sa.Integer, nullable=False, default=0),
        sa.Column("created_at", sa.String(20), nullable=False),
        sa.Column("updated_at", sa.String(20), nullable=False),
    ]


NETWORK = sa.Table(
    "network",
    metadata,
    *_owned(),
    sa.Column("name", sa.Text, nullable=False, default="", index=True),
    sa.Column("admin_state_up", sa.Boolean, nullable=False, default=True),
    sa.Column("shared", sa.Boolean, nullable=False, default=False),
    sa.Column("is_external", sa.Boolean, nullable=False, default=False),
    sa.Column("is_default", sa.Boolean, nullable=False, default=False),
    sa.Column("port_security_enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("mtu", sa.Integer, nullable=False, default=1500),
)

SUBNET = sa.Table(
    "subnet",
    metadata,
    *_owned(),
    sa.Column("name", sa.Text, nullable=False, default="", index=True),
    sa.Column("network_id", sa.ForeignKey("network.id"), nullable=False, index=True),
    sa.Column("ip_version", sa.Integer, nullable=False),
    sa.Column("cidr", sa.String(64), nullable=False),
    sa.Column("gateway_ip", sa.String(64)),
    sa.Column("allocation_pools", Json, nullable=False),
    sa.Column("enable_dhcp", sa.Boolean, nullable=False, default=True),
    sa.Column("dns_nameservers", Json, nullable=False, default=[]),
    sa.Column("host_routes", Json, nullable=False, default=[]),
    sa.Column("ipv6_address_mode", sa.String(20)),
    sa.Column("ipv6_ra_mode", sa.String(20)),
    # Created by an admin, or on a network that an admin shared: its addresses may be used for VIPs.
    sa.Column("is_vouched", sa.Boolean, nullable=False, default=False),
)

PORT = sa.Table(
    "port",
    metadata,
    *_owned(),
    sa.Column("name", sa.Text, nullable=False, default="", index=True),
    sa.Column("network_id", sa.ForeignKey("network.id"), nullable=False, index=True),
    sa.Column("admin_state_up", sa.Boolean, nullable=False, default=True),
    sa.Column("mac_address", sa.String(17), nullable=False),
    sa.Column("device_id", sa.String(255), nullable=False, default="", index=True),
    sa.Column("device_owner", sa.String(255), nullable=False, default=""),
    sa.Column("security_groups", Json, nullable=False, default=[]),
    sa.Column("allowed_address_pairs", Json, nullable=False, default=[]),
    sa.Column("qos_policy_id", sa.String(36)),
    sa.Column("vnic_type", sa.String(20), nullable=False, default="normal"),
    sa.Column("port_security_enabled", sa.Boolean, nullable=False, default=True),
    # Created for a load balancer's VIP, and deleted with the load balancer.
    sa.Column("is_vip", sa.Boolean, nullable=False, default=False),
    sa.UniqueConstraint("network_id", "mac_address"),
)

FIXED_IP = sa.Table(
    "fixed_ip",
    metadata,
    sa.Column("port_id", sa.ForeignKey("port.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("subnet_id", sa.ForeignKey("subnet.id"), nullable=False),
    sa.Column("ip_address", sa.String(64), nullable=False),
    # The address as 32 hexadecimal digits, which sort like the numbers.
    sa.Column("sort_key", sa.String(32), nullable=False),
    sa.UniqueConstraint("subnet_id", "ip_address"),
    sa.Index("ix_fixed_ip_subnet_id_sort_key", "subnet_id", "sort_key"),
)

# The addresses that carry traffic, across all networks. Each has one holder.
ADDRESS_CLAIM = sa.Table(
    "address_claim",
    metadata,
    sa.Column("key", sa.String(33), primary_key=True),  # from claim_key()
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("holder", sa.String(36), nullable=False, index=True),  # the ID of a load balancer or a floating IP
)

FLOATING_IP = sa.Table(
    "floating_ip",
    metadata,
    *_owned(),
    sa.Column("floating_network_id", sa.ForeignKey("network.id"), nullable=False),
    sa.Column("floating_ip_address", sa.String(64), nullable=False),
    # Holds the address on the external network, so that one constraint covers ports and floating IPs alike.
    sa.Column("floating_port_id", sa.ForeignKey("port.id"), nullable=False),
    sa.Column("port_id", sa.ForeignKey("port.id"), index=True),
    sa.Column("fixed_ip_address", sa.String(64)),
    sa.UniqueConstraint("floating_network_id", "floating_ip_address"),
    sa.UniqueConstraint("port_id", "fixed_ip_address"),
)

SECURITY_GROUP = sa.Table(
    "security_group",
    metadata,
    *_owned(),
    sa.Column("name", sa.Text, nullable=False, default="", index=True),
    sa.Column("stateful", sa.Boolean, nullable=False, default=True),
    sa.Column("is_default", sa.Boolean, nullable=False, default=False),  # each project has one, which cannot be deleted
)

SECURITY_GROUP_RULE = sa.Table(
    "security_group_rule",
    metadata,
    *_owned(),
    sa.Column("security_group_id", sa.ForeignKey("security_group.id"), nullable=False, index=True),
    sa.Column("direction", sa.String(7), nullable=False),
    sa.Column("ethertype", sa.String(4), nullable=False, default="IPv4"),
    sa.Column("protocol", sa.String(40)),
    sa.Column("port_range_min", sa.Integer),
    sa.Column("port_range_max", sa.Integer),
    sa.Column("remote_ip_prefix", sa.String(64)),
    sa.Column("remote_group_id", sa.ForeignKey("security_group.id"), index=True),
)

QOS_POLICY = sa.Table(
    "qos_policy",
    metadata,
    *_owned(),
    sa.Column("name", sa.Text, nullable=False, default="", index=True),
    sa.Column("shared", sa.Boolean, nullable=False, default=False),
    sa.Column("is_default", sa.Boolean, nullable=False, default=False),
)

QOS_RULE = sa.Table(
    "qos_rule",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("qos_policy_id", sa.ForeignKey("qos_policy.id"), nullable=False, index=True),
    sa.Column("type", sa.String(20), nullable=False),  # bandwidth_limit, dscp_marking or minimum_bandwidth
    sa.Column("direction", sa.String(7)),
    sa.Column("max_kbps", sa.Integer),
    sa.Column("max_burst_kbps", sa.Integer),
    sa.Column("min_kbps", sa.Integer),
    sa.Column("dscp_mark", sa.Integer),
    sa.Column("serial", sa.BigInteger, nullable=False),
)

ROUTER = sa.Table(
    "router",
    metadata,
    *_owned(),
    sa.Column("name", sa.Text, nullable=False, default="", index=True),
    sa.Column("admin_state_up", sa.Boolean, nullable=False, default=True),
    sa.Column("external_gateway_info", Json),  # null: none; {"network_id": …, …}
)


def claim_key(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return the IP version followed by the address as 32 hexadecimal digits, which sort like the numbers."""
    return f"{address.version}{int(address):032x}"


def unclaim(tx: sa.Connection, holder: str) -> None:
    """Release the addresses that a load balancer or a floating IP has claimed."""
    tx.execute(sa.delete(ADDRESS_CLAIM).where(ADDRESS_CLAIM.c.holder == holder))


def device_id(loadbalancer_id: str) -> str:
    """Return the device_id of a load balancer's VIP ports."""
    return f"lb-{loadbalancer_id}"


def floating_addresses(tx: sa.Connection, port_ids: Sequence[str]) -> list[str]:
    """Return the addresses of the floating IPs associated with these ports, in order of creation."""
    found = [row for port_id in port_ids for row in by(FLOATING_IP, "port_id").all(tx, port_id=port_id)]
    return [row.floating_ip_address for row in sorted(found, key=lambda row: row.serial)]


def release(tx: sa.Connection, loadbalancer_id: str) -> None:
    """Release the ports of a load balancer: delete those created for it, free the others, disassociate floating IPs."""
    unclaim(tx, loadbalancer_id)
    ports = by(PORT, "device_id").all(tx, device_id=device_id(loadbalancer_id))
    if not ports:
        return
    disassociate(tx, [port.id for port in ports])
    delete_ports(tx, [port.id for port in ports if port.is_vip])
    kept = [port.id for port in ports if not port.is_vip]
    tx.execute(sa.update(PORT).where(PORT.c.id.in_(kept)).values(device_id="", device_owner=""))


def disassociate(tx: sa.Connection, port_ids: Sequence[str]) -> None:
    """Disassociate the floating IPs of these ports."""
    theirs = FLOATING_IP.c.port_id.in_(port_ids)
    tx.execute(sa.update(FLOATING_IP).where(theirs).values(port_id=None, fixed_ip_address=None))


def delete_ports(tx: sa.Connection, port_ids: Sequence[str]) -> None:
    """Delete ports together with their addresses."""
    tx.execute(sa.delete(FIXED_IP).where(FIXED_IP.c.port_id.in_(port_ids)))
    tx.execute(sa.delete(PORT).where(PORT.c.id.in_(port_ids)))
