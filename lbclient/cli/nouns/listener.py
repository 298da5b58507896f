"""The commands of listeners."""

from __future__ import annotations

import argparse
from typing import Any

from ...resources import LISTENER
from .. import verbs
from ..stats import ShowStatistics
from . import certificate, logs


class CreateListener(verbs.Create):
    """Create a listener: a port and a protocol on a load balancer."""

    resource = LISTENER
    examples = (
        "--name web --protocol HTTP --protocol-port 80 lb1",
        "--protocol TERMINATED_HTTPS --protocol-port 443 --certificate-file server.pem lb1",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        certificate.add_files(parser)

    def _create(self, parsed: argparse.Namespace) -> Any:
        with certificate.stored(self.services, parsed, parsed.name or "listener"):
            return super()._create(parsed)


class ListListener(verbs.List):
    """List listeners."""

    resource = LISTENER
    examples = ("--loadbalancer lb1",)


class ShowListener(verbs.Show):
    """Show a listener."""

    resource = LISTENER
    examples = ("web",)


class SetListener(logs.SetLogged):
    """Change a listener."""

    resource = LISTENER
    examples = (
        "--connection-limit 1000 web",
        "--insert-headers X-Forwarded-For=true web",
        "--logging on web",
        "--certificate-file renewed.pem web",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        certificate.add_files(parser)

    def _change(self, parsed: argparse.Namespace) -> Any:
        with certificate.stored(self.services, parsed, parsed.target):
            return super()._change(parsed)


class UnsetListener(verbs.Unset):
    """Reset settings of a listener to their defaults."""

    resource = LISTENER
    examples = ("--connection-limit web",)


class DeleteListener(verbs.Delete):
    """Delete listeners."""

    resource = LISTENER
    examples = ("web",)


class ShowListenerStats(ShowStatistics):
    """Show the counters of a listener."""

    resource = LISTENER
    examples = ("web",)
