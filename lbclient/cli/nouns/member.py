"""The commands of members."""

from __future__ import annotations

from ...resources import MEMBER
from .. import verbs
from ..stats import ShowStatistics


class CreateMember(verbs.Create):
    """Add a member to a pool: one server."""

    resource = MEMBER
    examples = ("--name one --address 10.0.0.4 --protocol-port 80 servers",)


class ListMember(verbs.List):
    """List the members of a pool."""

    resource = MEMBER
    examples = ("servers",)


class ShowMember(verbs.Show):
    """Show a member of a pool."""

    resource = MEMBER
    examples = ("servers one",)


class SetMember(verbs.Set):
    """Change a member of a pool.

    A weight of 0 drains it: it gets no new connections, and open ones may finish.
    """

    resource = MEMBER
    examples = ("--weight 0 servers one",)


class UnsetMember(verbs.Unset):
    """Reset settings of a member to their defaults."""

    resource = MEMBER
    examples = ("--weight servers one",)


class DeleteMember(verbs.Delete):
    """Delete members of a pool."""

    resource = MEMBER
    examples = ("servers one two",)


class ShowMemberStats(ShowStatistics):
    """Show the counters of a member of a pool.

    Only lbclient's own server has them.
    """

    resource = MEMBER
    examples = ("servers one",)
