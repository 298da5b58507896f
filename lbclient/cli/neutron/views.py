"""Views of networks, subnets and floating IPs, limited to what load balancers need.

The commands are the same as those of `openstack`; within `openstack`, its own commands are used.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...client.names import KINDS, Kind
from ...client.rest import Json
from ..command import Command, Lister, ShowOne
from ..output.columns import PLAIN_FORMATS, Cell, plain

Text = Callable[[Any], str]
Shown = tuple[Sequence[str], Any]


@dataclass(frozen=True)
class Column:
    """A heading, and the attribute below it."""

    heading: str
    name: str
    is_long: bool = False  # shown with --long only


@dataclass(frozen=True)
class Thing:
    """A kind of object of the network service."""

    kind: str
    columns: tuple[Column, ...]  # of list
    rows: tuple[str, ...]  # of show
    texts: Mapping[str, Text]  # attribute -> its text in tables, if it differs from the value


def joined(values: Sequence[str]) -> str:
    return ", ".join(values)


def _up(value: bool) -> str:
    return "UP" if value else "DOWN"


def _external(value: bool) -> str:
    return "External" if value else "Internal"


def _pools(pools: Sequence[Json]) -> str:
    return ",".join(f"{pool['start']}-{pool['end']}" for pool in pools)


def _routes(routes: Sequence[Json]) -> str:
    return "\n".join(f"destination='{route['destination']}', gateway='{route['nexthop']}'" for route in routes)


def _port(details: Json) -> str:
    return ", ".join(f"{key}='{value}'" for key, value in sorted(details.items()))


NETWORK = Thing(
    "network",
    (
        Column("ID", "id"),
        Column("Name", "name"),
        Column("Status", "status", is_long=True),
        Column("Project", "project_id", is_long=True),
        Column("State", "admin_state_up", is_long=True),
        Column("Shared", "shared", is_long=True),
        Column("Subnets", "subnets"),
        Column("Network Type", "provider:network_type", is_long=True),
        Column("Router Type", "router:external", is_long=True),
        Column("Availability Zones", "availability_zones", is_long=True),
        Column("Tags", "tags", is_long=True),
    ),
    (
        "admin_state_up",
        "availability_zone_hints",
        "availability_zones",
        "created_at",
        "description",
        "dns_domain",
        "id",
        "ipv4_address_scope",
        "ipv6_address_scope",
        "is_default",
        "is_vlan_qinq",
        "is_vlan_transparent",
        "mtu",
        "name",
        "port_security_enabled",
        "project_id",
        "provider:network_type",
        "provider:physical_network",
        "provider:segmentation_id",
        "pvlan",
        "qos_policy_id",
        "revision_number",
        "router:external",
        "segments",
        "shared",
        "status",
        "subnets",
        "tags",
        "updated_at",
    ),
    {
        "admin_state_up": _up,
        "router:external": _external,
        "subnets": joined,
        "availability_zone_hints": joined,
        "availability_zones": joined,
        "tags": joined,
    },
)

SUBNET = Thing(
    "subnet",
    (
        Column("ID", "id"),
        Column("Name", "name"),
        Column("Network", "network_id"),
        Column("Subnet", "cidr"),
        Column("Project", "project_id", is_long=True),
        Column("DHCP", "enable_dhcp", is_long=True),
        Column("Name Servers", "dns_nameservers", is_long=True),
        Column("Allocation Pools", "allocation_pools", is_long=True),
        Column("Host Routes", "host_routes", is_long=True),
        Column("IP Version", "ip_version", is_long=True),
        Column("Gateway", "gateway_ip", is_long=True),
        Column("Service Types", "service_types", is_long=True),
        Column("Tags", "tags", is_long=True),
    ),
    (
        "allocation_pools",
        "cidr",
        "created_at",
        "description",
        "dns_nameservers",
        "dns_publish_fixed_ip",
        "enable_dhcp",
        "gateway_ip",
        "host_routes",
        "id",
        "ip_version",
        "ipv6_address_mode",
        "ipv6_ra_mode",
        "name",
        "network_id",
        "project_id",
        "revision_number",
        "segment_id",
        "service_types",
        "subnetpool_id",
        "tags",
        "updated_at",
    ),
    {
        "allocation_pools": _pools,
        "dns_nameservers": joined,
        "host_routes": _routes,
        "service_types": joined,
        "tags": joined,
    },
)

FLOATING_IP = Thing(
    "floating_ip",
    (
        Column("ID", "id"),
        Column("Floating IP Address", "floating_ip_address"),
        Column("Fixed IP Address", "fixed_ip_address"),
        Column("Port", "port_id"),
        Column("Floating Network", "floating_network_id"),
        Column("Project", "project_id"),
        Column("Router", "router_id", is_long=True),
        Column("Status", "status", is_long=True),
        Column("Description", "description", is_long=True),
        Column("Tags", "tags", is_long=True),
        Column("DNS Name", "dns_name", is_long=True),
        Column("DNS Domain", "dns_domain", is_long=True),
    ),
    (
        "created_at",
        "description",
        "dns_domain",
        "dns_name",
        "fixed_ip_address",
        "floating_ip_address",
        "floating_network_id",
        "id",
        "name",
        "port_details",
        "port_forwardings",
        "port_id",
        "project_id",
        "qos_policy_id",
        "revision_number",
        "router_id",
        "status",
        "subnet_id",
        "tags",
        "updated_at",
    ),
    {"port_details": _port, "tags": str, "port_forwardings": str},
)

SWITCH = Mapping[str, tuple[str, Any]]  # option -> attribute and value


class NetworkCommand(Command):
    """A command about one kind of object of the network service."""

    thing: Thing

    @property
    def kind(self) -> Kind:
        return KINDS[self.thing.kind]

    def find(self, word: str) -> Json:
        """Return the object of this name or ID; a name lookup returns the whole object."""

        def found() -> Json:
            id_ = self.names.id(self.thing.kind, word)
            return self.names.record(self.thing.kind, id_) or self.one(self.services.network.get(self.path(id_)))

        return self.tried(found)

    def path(self, id_: str) -> str:
        return f"{self.kind.path}/{id_}"

    @property
    def key(self) -> str:
        """Return the key of the JSON envelope of one object."""
        return self.kind.collection.removesuffix("s")

    def one(self, answer: Json) -> Json:
        record: Json = answer[self.key]
        return record

    def add_switch(self, parser: Any, switches: SWITCH, helps: Sequence[str]) -> None:
        """Add mutually exclusive options, each of which stands for a value of an attribute."""
        group = parser.add_mutually_exclusive_group()
        for (flag, (name, value)), words in zip(switches.items(), helps, strict=True):
            group.add_argument(f"--{flag}", dest=name, action="store_const", const=value, help=words)


class ListThings(NetworkCommand, Lister):
    """All objects, or those that match."""

    filters: tuple[tuple[str, str, str, str | None], ...] = ()  # option, attribute, help, kind of the named object

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--long", action="store_true", help="Show more columns.")
        for flag, name, words, _ in self.filters:
            parser.add_argument(f"--{flag}", dest=name, metavar=f"<{flag}>", help=words)

    def switched(self, parsed: argparse.Namespace) -> Json:
        """Return filters in addition to the plain ones."""
        return {}

    def take_action(self, parsed: argparse.Namespace) -> Shown:
        filters = {**self.switched(parsed)}
        for _, name, _, refers in self.filters:
            value = getattr(parsed, name)
            if value is not None:
                filters[name] = self.names.id(refers, value) if refers else value
        columns = [column for column in self.thing.columns if parsed.long or not column.is_long]
        names = [column.name for column in columns]
        records = self.services.network.pages(self.kind.path, self.kind.collection, filters)
        return [column.heading for column in columns], [
            cells(self.thing, names, record, parsed.formatter) for record in records
        ]


class ShowThing(NetworkCommand, ShowOne):
    """One object."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        known_by = "IP address" if self.kind.name == "floating_ip_address" else "name"
        parser.add_argument(
            "target",
            metavar=f"<{self.thing.kind.replace('_', '-')}>",
            help=f"The {self.kind.title} ({known_by} or ID).",
        )

    def take_action(self, parsed: argparse.Namespace) -> Shown:
        return self.shown(self.find(parsed.target), parsed)

    def shown(self, record: Json, parsed: argparse.Namespace) -> Shown:
        return self.thing.rows, cells(self.thing, self.thing.rows, record, parsed.formatter)


def cells(thing: Thing, names: Sequence[str], record: Json, output: str) -> list[Any]:
    """Return the cells of one object for one of cliff's output formats."""
    return [_cell(thing, name, record, output) for name in names]


def _cell(thing: Thing, name: str, record: Json, output: str) -> Any:
    if thing is FLOATING_IP and name == "name":
        return record.get("floating_ip_address")
    value = record.get(name)
    if output in PLAIN_FORMATS:
        return plain(value)
    text = thing.texts.get(name)
    return Cell(value, text(value)) if text and value is not None else value
