"""The objects of the network API and their attributes: one definition for checks, filters and answers."""

from __future__ import annotations

from typing import Any

from ...resources import Api
from ...store.network_tables import (
    FLOATING_IP,
    NETWORK,
    PORT,
    QOS_POLICY,
    ROUTER,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    SUBNET,
)
from ..attributes import BOTH, READ, Attribute, Kind, Type


def _constant(name: str, kind: Type, value: Any) -> Attribute:
    return Attribute(name, kind, READ, column=None, constant=value)


NAME = Attribute("name", Type.TEXT, BOTH)
STANDARD = (
    Attribute("id", Type.ID, READ),
    Attribute("project_id", Type.TEXT, Api.POST, for_admins=True),
    Attribute("description", Type.TEXT, BOTH),
    Attribute("created_at", Type.TEXT, READ),
    Attribute("updated_at", Type.TEXT, READ),
    Attribute("revision_number", Type.INTEGER, READ),
)
NETWORKS = Kind(
    "network",
    "networks",
    NETWORK,
    (
        NAME,
        *STANDARD,
        Attribute("admin_state_up", Type.BOOLEAN, BOTH),
        Attribute("shared", Type.BOOLEAN, BOTH, for_admins=True),
        Attribute("router:external", Type.BOOLEAN, BOTH, column="is_external", for_admins=True),
        Attribute("is_default", Type.BOOLEAN, BOTH, for_admins=True),
        Attribute("port_security_enabled", Type.BOOLEAN, BOTH),
        Attribute("mtu", Type.INTEGER, BOTH, minimum=68, maximum=65535),
        _constant("status", Type.TEXT, "ACTIVE"),
        _constant("availability_zone_hints", Type.TEXTS, []),
        _constant("availability_zones", Type.TEXTS, []),
        _constant("ipv4_address_scope", Type.ID, None),
        _constant("ipv6_address_scope", Type.ID, None),
        _constant("qos_policy_id", Type.ID, None),
    ),
    title="Network",
    not_found="NetworkNotFound",
)
IPV6_MODES = ("dhcpv6-stateful", "dhcpv6-stateless", "slaac")
SUBNETS = Kind(
    "subnet",
    "subnets",
    SUBNET,
    (
        NAME,
        *STANDARD,
        Attribute("network_id", Type.ID, Api.POST, is_required=True),
        Attribute("ip_version", Type.INTEGER, Api.POST, minimum=4, maximum=6),
        Attribute("cidr", Type.CIDR, Api.POST, is_required=True),
        Attribute("gateway_ip", Type.ADDRESS, BOTH, is_nullable=True),
        Attribute("allocation_pools", Type.POOLS, BOTH),
        Attribute("enable_dhcp", Type.BOOLEAN, BOTH),
        Attribute("dns_nameservers", Type.ADDRESSES, BOTH),
        Attribute("host_routes", Type.OBJECTS, BOTH),
        Attribute("ipv6_address_mode", Type.TEXT, Api.POST, is_nullable=True, choices=IPV6_MODES),
        Attribute("ipv6_ra_mode", Type.TEXT, Api.POST, is_nullable=True, choices=IPV6_MODES),
        _constant("dns_publish_fixed_ip", Type.BOOLEAN, False),
        _constant("segment_id", Type.ID, None),
        _constant("service_types", Type.TEXTS, []),
        _constant("subnetpool_id", Type.ID, None),
    ),
    title="Subnet",
    not_found="SubnetNotFound",
)
PORTS = Kind(
    "port",
    "ports",
    PORT,
    (
        NAME,
        *STANDARD,
        Attribute("network_id", Type.ID, Api.POST, is_required=True),
        Attribute("admin_state_up", Type.BOOLEAN, BOTH),
        Attribute("mac_address", Type.TEXT, READ),
        Attribute("fixed_ips", Type.OBJECTS, BOTH, column=None),
        Attribute("device_id", Type.TEXT, BOTH),
        Attribute("device_owner", Type.TEXT, BOTH),
        Attribute("security_groups", Type.IDS, BOTH, is_nullable=True),
        Attribute("allowed_address_pairs", Type.OBJECTS, READ),
        Attribute("qos_policy_id", Type.ID, BOTH, is_nullable=True),
        Attribute("port_security_enabled", Type.BOOLEAN, BOTH),
        Attribute("binding:vnic_type", Type.TEXT, BOTH, column="vnic_type", choices=("normal", "direct")),
        Attribute("status", Type.TEXT, READ, column=None),
        _constant("binding:host_id", Type.TEXT, ""),
        _constant("binding:vif_type", Type.TEXT, "unbound"),
        _constant("extra_dhcp_opts", Type.OBJECTS, []),
    ),
    title="Port",
    not_found="PortNotFound",
)
FLOATING_IPS = Kind(
    "floatingip",
    "floatingips",
    FLOATING_IP,
    (
        *STANDARD,
        Attribute("floating_network_id", Type.ID, Api.POST, is_required=True),
        Attribute("subnet_id", Type.ID, Api.POST, column=None, is_nullable=True),
        Attribute("floating_ip_address", Type.ADDRESS, Api.POST, for_admins=True, is_nullable=True),
        Attribute("port_id", Type.ID, BOTH, is_nullable=True),
        Attribute("fixed_ip_address", Type.ADDRESS, BOTH, is_nullable=True),
        Attribute("status", Type.TEXT, READ, column=None),
        _constant("router_id", Type.ID, None),
        _constant("qos_policy_id", Type.ID, None),
        _constant("dns_domain", Type.TEXT, ""),
        _constant("dns_name", Type.TEXT, ""),
    ),
    title="Floating IP",
    not_found="FloatingIPNotFound",
)
SECURITY_GROUPS = Kind(
    "security_group",
    "security_groups",
    SECURITY_GROUP,
    (
        NAME,
        *STANDARD,
        Attribute("stateful", Type.BOOLEAN, BOTH),
        _constant("shared", Type.BOOLEAN, False),
    ),
    title="Security group",
    not_found="SecurityGroupNotFound",
    path="security-groups",
)
SECURITY_GROUP_RULES = Kind(
    "security_group_rule",
    "security_group_rules",
    SECURITY_GROUP_RULE,
    (
        *STANDARD,
        Attribute("security_group_id", Type.ID, Api.POST, is_required=True),
        Attribute("direction", Type.TEXT, Api.POST, is_required=True, choices=("ingress", "egress")),
        Attribute("ethertype", Type.TEXT, Api.POST, choices=("IPv4", "IPv6")),
        Attribute("protocol", Type.PROTOCOL, Api.POST, is_nullable=True),
        Attribute("port_range_min", Type.INTEGER, Api.POST, is_nullable=True, maximum=65535),
        Attribute("port_range_max", Type.INTEGER, Api.POST, is_nullable=True, maximum=65535),
        Attribute("remote_ip_prefix", Type.CIDR, Api.POST, is_nullable=True),
        Attribute("remote_group_id", Type.ID, Api.POST, is_nullable=True),
        _constant("remote_address_group_id", Type.ID, None),
        _constant("normalized_cidr", Type.CIDR, None),
        _constant("belongs_to_default_sg", Type.BOOLEAN, None),
    ),
    title="Security group rule",
    not_found="SecurityGroupRuleNotFound",
    path="security-group-rules",
)
QOS_POLICIES = Kind(
    "policy",
    "policies",
    QOS_POLICY,
    (
        NAME,
        *STANDARD,
        Attribute("shared", Type.BOOLEAN, BOTH, for_admins=True),
        Attribute("is_default", Type.BOOLEAN, BOTH, for_admins=True),
    ),
    title="QoS policy",
    not_found="QosPolicyNotFound",
    path="qos/policies",
)
ROUTERS = Kind(
    "router",
    "routers",
    ROUTER,
    (
        NAME,
        *STANDARD,
        Attribute("admin_state_up", Type.BOOLEAN, BOTH),
        Attribute("external_gateway_info", Type.OBJECT, BOTH, is_nullable=True),
        _constant("status", Type.TEXT, "ACTIVE"),
        _constant("routes", Type.OBJECTS, []),
        _constant("ha", Type.BOOLEAN, False),
        _constant("distributed", Type.BOOLEAN, False),
        _constant("flavor_id", Type.ID, None),
        _constant("availability_zones", Type.TEXTS, []),
        _constant("availability_zone_hints", Type.TEXTS, []),
    ),
    title="Router",
    not_found="RouterNotFound",
)
KINDS = (
    NETWORKS,
    SUBNETS,
    PORTS,
    FLOATING_IPS,
    SECURITY_GROUPS,
    SECURITY_GROUP_RULES,
    QOS_POLICIES,
    ROUTERS,
)
