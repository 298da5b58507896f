"""The network that VIPs come from: the built-in network service, or a no-op in which every ID exists."""

from __future__ import annotations

from typing import Protocol

import sqlalchemy as sa

from ..access.context import Context
from ..services import Services
from . import noop, vip
from .claims import Claims


class Network(Protocol):
    """The functions that load balancers need of a network; the modules vip and noop implement them."""

    def allocate(
        self,
        tx: sa.Connection,
        *,
        loadbalancer_id: str,
        project_id: str,
        is_admin: bool,
        vip_address: str | None = None,
        vip_port_id: str | None = None,
        vip_subnet_id: str | None = None,
        vip_network_id: str | None = None,
        claims: Claims | None = None,
    ) -> vip.Vip: ...

    def network_exists(self, tx: sa.Connection, network_id: str) -> bool: ...

    def subnet_exists(self, tx: sa.Connection, subnet_id: str, who: Context) -> bool: ...

    def qos_policy_exists(self, tx: sa.Connection, qos_policy_id: str, who: Context) -> bool: ...

    def security_group_exists(self, tx: sa.Connection, security_group_id: str, who: Context) -> bool: ...

    def guard(
        self, tx: sa.Connection, loadbalancer_id: str, security_group_ids: list[str], qos_policy_id: str | None
    ) -> None: ...


MODES: dict[str, Network] = {"neutron": vip, "noop": noop}


def network(services: Services) -> Network:
    """Return the configured network."""
    return MODES[services.config.network]
