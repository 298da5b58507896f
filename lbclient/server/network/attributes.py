"""The objects of the network API and their attributes: one definition for checks, filters and answers."""

from __future__ import annotations

import enum
from dataclasses import KW_ONLY, dataclass
from typing import Any

import sqlalchemy as sa

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


class Type(enum.Enum):
    """The type of an attribute's value."""

    TEXT = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    ID = "UUID"
    ADDRESS = "IP address"
    CIDR = "IP subnet"
    POOLS = "list of address ranges"  # [{"start": …, "end": …}]
    ADDRESSES = "list of IP addresses"
    TEXTS = "list of strings"
    OBJECTS = "list of objects"
    OBJECT = "object"
    PROTOCOL = "IP protocol"
    IDS = "list of UUIDs"


class Api(enum.Flag):
    """The request bodies in which an attribute is allowed."""

    POST = enum.auto()
    PUT = enum.auto()


READ = Api(0)
BOTH = Api.POST | Api.PUT


@dataclass(frozen=True)
class Attribute:
    """One attribute, with its column if that has another name; without a column it is constant or computed."""

    name: str
    type: Type
    api: Api = READ
    _: KW_ONLY
    column: str | None = ""  # "": the attribute's name; None: no column
    constant: Any = None
    is_required: bool = False
    is_nullable: bool = False
    for_admins: bool = False  # whether only admins may set it
    length: int = 255
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 2**31 - 1

    @property
    def column_name(self) -> str | None:
        return self.name if self.column == "" else self.column


@dataclass(frozen=True)
class Kind:
    """A kind of object: its names, its table and its attributes."""

    name: str
    plural: str
    title: str  # its name in errors
    table: sa.Table
    attributes: tuple[Attribute, ...]
    not_found: str  # the type of the error for an unknown ID
    path: str = ""  # below the version, if it is not the plural

    def __getitem__(self, name: str) -> Attribute | None:
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


def _constant(name: str, kind: Type, value: Any) -> Attribute:
    return Attribute(name, kind, column=None, constant=value)


NAME = Attribute("name", Type.TEXT, BOTH)
STANDARD = (
    Attribute("id", Type.ID),
    Attribute("project_id", Type.TEXT, Api.POST, for_admins=True),
    Attribute("description", Type.TEXT, BOTH),
    Attribute("created_at", Type.TEXT),
    Attribute("updated_at", Type.TEXT),
    Attribute("revision_number", Type.INTEGER),
)
NETWORKS = Kind(
    "network",
    "networks",
    "Network",
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
    "NetworkNotFound",
)
IPV6_MODES = ("dhcpv6-stateful", "dhcpv6-stateless", "slaac")
SUBNETS = Kind(
    "subnet",
    "subnets",
    "Subnet",
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
    "SubnetNotFound",
)
PORTS = Kind(
    "port",
    "ports",
    "Port",
    PORT,
    (
        NAME,
        *STANDARD,
        Attribute("network_id", Type.ID, Api.POST, is_required=True),
        Attribute("admin_state_up", Type.BOOLEAN, BOTH),
        Attribute("mac_address", Type.TEXT),
        Attribute("fixed_ips", Type.OBJECTS, BOTH, column=None),
        Attribute("device_id", Type.TEXT, BOTH),
        Attribute("device_owner", Type.TEXT, BOTH),
        Attribute("security_groups", Type.IDS, BOTH, is_nullable=True),
        Attribute("allowed_address_pairs", Type.OBJECTS),
        Attribute("qos_policy_id", Type.ID, BOTH, is_nullable=True),
        Attribute("port_security_enabled", Type.BOOLEAN, BOTH),
        Attribute("binding:vnic_type", Type.TEXT, BOTH, column="vnic_type", choices=("normal", "direct")),
        Attribute("status", Type.TEXT, column=None),
        _constant("binding:host_id", Type.TEXT, ""),
        _constant("binding:vif_type", Type.TEXT, "unbound"),
        _constant("extra_dhcp_opts", Type.OBJECTS, []),
    ),
    "PortNotFound",
)
FLOATING_IPS = Kind(
    "floatingip",
    "floatingips",
    "Floating IP",
    FLOATING_IP,
    (
        *STANDARD,
        Attribute("floating_network_id", Type.ID, Api.POST, is_required=True),
        Attribute("subnet_id", Type.ID, Api.POST, column=None, is_nullable=True),
        Attribute("floating_ip_address", Type.ADDRESS, Api.POST, for_admins=True, is_nullable=True),
        Attribute("port_id", Type.ID, BOTH, is_nullable=True),
        Attribute("fixed_ip_address", Type.ADDRESS, BOTH, is_nullable=True),
        Attribute("status", Type.TEXT, column=None),
        _constant("router_id", Type.ID, None),
        _constant("qos_policy_id", Type.ID, None),
        _constant("dns_domain", Type.TEXT, ""),
        _constant("dns_name", Type.TEXT, ""),
    ),
    "FloatingIPNotFound",
)
SECURITY_GROUPS = Kind(
    "security_group",
    "security_groups",
    "Security group",
    SECURITY_GROUP,
    (
        NAME,
        *STANDARD,
        Attribute("stateful", Type.BOOLEAN, BOTH),
        _constant("shared", Type.BOOLEAN, False),
    ),
    "SecurityGroupNotFound",
    "security-groups",
)
SECURITY_GROUP_RULES = Kind(
    "security_group_rule",
    "security_group_rules",
    "Security group rule",
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
    "SecurityGroupRuleNotFound",
    "security-group-rules",
)
QOS_POLICIES = Kind(
    "policy",
    "policies",
    "QoS policy",
    QOS_POLICY,
    (
        NAME,
        *STANDARD,
        Attribute("shared", Type.BOOLEAN, BOTH, for_admins=True),
        Attribute("is_default", Type.BOOLEAN, BOTH, for_admins=True),
    ),
    "QosPolicyNotFound",
    "qos/policies",
)
ROUTERS = Kind(
    "router",
    "routers",
    "Router",
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
    "RouterNotFound",
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
