"""The commands of load balancers."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ...client.errors import WrongUsage
from ...client.rest import Json
from ...resources import LOADBALANCER
from .. import verbs
from ..stats import ShowStatistics
from . import logs


class CreateLoadBalancer(verbs.Create):
    """Create a load balancer.

    Its VIP, the address that clients connect to, is taken from a subnet or a network, or is that of a port.
    """

    resource = LOADBALANCER
    examples = ("--name lb1 --vip-subnet-id private-subnet --wait",)

    def check(self, values: Json) -> None:
        if not values.keys() & {"vip_subnet_id", "vip_network_id", "vip_port_id"}:
            raise WrongUsage("One of --vip-subnet-id, --vip-network-id and --vip-port-id is needed.")
        if values.keys() >= {"vip_network_id", "vip_port_id"}:
            raise WrongUsage("--vip-network-id and --vip-port-id cannot be given together.")


class ListLoadBalancer(verbs.List):
    """List load balancers."""

    resource = LOADBALANCER
    examples = ("--operating-status ERROR",)


class ShowLoadBalancer(verbs.Show):
    """Show a load balancer."""

    resource = LOADBALANCER
    examples = ("lb1", "lb1 -f value -c vip_address")


class SetLoadBalancer(logs.SetLogged):
    """Change a load balancer."""

    resource = LOADBALANCER
    examples = ("--name lb2 --tag production lb1", "--logging on,sampling=10 lb1")


class UnsetLoadBalancer(verbs.Unset):
    """Reset settings of a load balancer to their defaults."""

    resource = LOADBALANCER
    examples = ("--description lb1",)


class DeleteLoadBalancer(verbs.Delete):
    """Delete load balancers."""

    resource = LOADBALANCER
    examples = ("--cascade lb1",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--cascade", action="store_true", help="Delete its listeners, pools and whatever else it has, too."
        )

    def options(self, parsed: argparse.Namespace) -> Mapping[str, Any]:
        return {"cascade": True} if parsed.cascade else {}


class FailoverLoadBalancer(verbs.Waiting):
    """Trigger a failover: replace the HAProxy process, or the amphora, of a load balancer."""

    resource = LOADBALANCER
    examples = ("--wait lb1",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)
        self.add_wait(parser)

    def take_action(self, parsed: argparse.Namespace) -> None:
        self.settled({"id": self.tried(lambda: self._fail_over(parsed))}, parsed, {})

    def _fail_over(self, parsed: argparse.Namespace) -> str:
        id_ = self.id(parsed.target, {})
        self.written(lambda: self.services.api.failover(self.resource, id_), parsed)
        return id_


class ShowLoadBalancerStats(ShowStatistics):
    """Show the counters of a load balancer."""

    resource = LOADBALANCER
    examples = ("lb1",)
