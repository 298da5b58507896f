"""The commands of L7 policies."""

from __future__ import annotations

from ...resources import L7POLICY
from .. import verbs


class CreateL7Policy(verbs.Create):
    """Create an L7 policy: what happens with requests that match all of its rules."""

    resource = L7POLICY
    examples = ("--name shop --action REDIRECT_TO_POOL --redirect-pool shop-servers web",)


class ListL7Policy(verbs.List):
    """List L7 policies."""

    resource = L7POLICY
    examples = ("--listener web",)


class ShowL7Policy(verbs.Show):
    """Show an L7 policy."""

    resource = L7POLICY
    examples = ("shop",)


class SetL7Policy(verbs.Set):
    """Change an L7 policy."""

    resource = L7POLICY
    examples = ("--position 1 shop",)


class UnsetL7Policy(verbs.Unset):
    """Reset settings of an L7 policy to their defaults."""

    resource = L7POLICY
    examples = ("--description shop",)


class DeleteL7Policy(verbs.Delete):
    """Delete L7 policies, with their rules."""

    resource = L7POLICY
    examples = ("shop",)
