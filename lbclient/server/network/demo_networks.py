"""The networks of the user guide: private-net for VIPs and members, public-net for floating IPs."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import sqlalchemy as sa

from ...store.network_tables import NETWORK, SUBNET
from . import addresses, rows

FIRST_GIVEN = 100  # in subnets that are large enough, lower addresses are left for members


@dataclass(frozen=True)
class DemoNetworks:
    """The IDs of the guide's networks and subnets."""

    private_net: str
    private_subnet: str
    public_net: str
    public_subnet: str


def create_demo_networks(
    tx: sa.Connection, project_id: str, private_cidr: str, public_cidr: str, is_shared: bool = True
) -> DemoNetworks:
    """Create private-net and public-net with their subnets, as far as they do not exist, and return their IDs."""
    private_net = _network(tx, "private-net", project_id, shared=is_shared)
    public_net = _network(tx, "public-net", project_id, is_external=True, is_default=True)
    return DemoNetworks(
        private_net,
        _subnet(tx, "private-subnet", project_id, private_net, private_cidr, FIRST_GIVEN),
        public_net,
        _subnet(tx, "public-subnet", project_id, public_net, public_cidr, 1),
    )


def _network(tx: sa.Connection, name: str, project_id: str, **values: bool) -> str:
    return _named(tx, NETWORK, name) or rows.new(tx, NETWORK, project_id, name=name, **values)


def _subnet(tx: sa.Connection, name: str, project_id: str, network_id: str, cidr: str, first_given: int) -> str:
    known = _named(tx, SUBNET, name)
    if known:
        return known
    network = ipaddress.ip_network(cidr)
    gateway = network[1]
    pools = addresses.pools(network, gateway)
    if network.num_addresses > 2 * first_given > 2:
        pools = [{"start": str(network[first_given]), "end": pools[-1]["end"]}]
    values = {"cidr": str(network), "ip_version": network.version, "gateway_ip": str(gateway)}
    return rows.new(
        tx, SUBNET, project_id, name=name, network_id=network_id, allocation_pools=pools, is_vouched=True, **values
    )


def _named(tx: sa.Connection, table: sa.Table, name: str) -> str | None:
    return tx.scalar(sa.select(table.c.id).where(table.c.name == name).order_by(table.c.serial).limit(1))
