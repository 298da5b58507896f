"""The commands of pools."""

from __future__ import annotations

from ...resources import POOL
from .. import verbs
from ..stats import ShowStatistics


class CreatePool(verbs.Create):
    """Create a pool: a group of members, behind a listener or for L7 policies of a load balancer."""

    resource = POOL
    examples = ("--name servers --listener web --protocol HTTP --lb-algorithm ROUND_ROBIN",)


class ListPool(verbs.List):
    """List pools."""

    resource = POOL
    examples = ("--loadbalancer lb1",)


class ShowPool(verbs.Show):
    """Show a pool."""

    resource = POOL
    examples = ("servers",)


class SetPool(verbs.Set):
    """Change a pool."""

    resource = POOL
    examples = (
        "--lb-algorithm LEAST_CONNECTIONS servers",
        "--session-persistence type=APP_COOKIE,cookie_name=JSESSIONID servers",
    )


class UnsetPool(verbs.Unset):
    """Reset settings of a pool to their defaults."""

    resource = POOL
    examples = ("--session-persistence servers",)


class DeletePool(verbs.Delete):
    """Delete pools, with their members and health monitors."""

    resource = POOL
    examples = ("servers",)


class ShowPoolStats(ShowStatistics):
    """Show the counters of a pool.

    Only lbclient's own server has them.
    """

    resource = POOL
    examples = ("servers",)
