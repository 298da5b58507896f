"""The commands of listeners."""

from __future__ import annotations

from ...resources import LISTENER
from .. import verbs
from ..stats import ShowStatistics


class CreateListener(verbs.Create):
    """Create a listener: a port and a protocol on a load balancer."""

    resource = LISTENER
    examples = ("--name web --protocol HTTP --protocol-port 80 lb1",)


class ListListener(verbs.List):
    """List listeners."""

    resource = LISTENER
    examples = ("--loadbalancer lb1",)


class ShowListener(verbs.Show):
    """Show a listener."""

    resource = LISTENER
    examples = ("web",)


class SetListener(verbs.Set):
    """Change a listener."""

    resource = LISTENER
    examples = (
        "--connection-limit 1000 web",
        "--insert-headers X-Forwarded-For=true web",
    )


class UnsetListener(verbs.Unset):
    """Clear settings of a listener: they get their defaults again."""

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
