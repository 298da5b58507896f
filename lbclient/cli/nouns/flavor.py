"""The commands of flavors."""

from __future__ import annotations

from ...resources import FLAVOR
from .. import verbs


class CreateFlavor(verbs.Create):
    """Create a flavor: what a profile means, under a name that can be chosen for a new load balancer."""

    resource = FLAVOR
    examples = ("--name small --flavorprofile single",)


class ListFlavor(verbs.List):
    """List flavors."""

    resource = FLAVOR
    examples = ("--enable",)


class ShowFlavor(verbs.Show):
    """Show a flavor."""

    resource = FLAVOR
    examples = ("small",)


class SetFlavor(verbs.Set):
    """Change a flavor."""

    resource = FLAVOR
    examples = ("--disable small",)


class UnsetFlavor(verbs.Unset):
    """Clear settings of a flavor: they get their defaults again."""

    resource = FLAVOR
    examples = ("--description small",)


class DeleteFlavor(verbs.Delete):
    """Delete flavors that no load balancer has."""

    resource = FLAVOR
    examples = ("small",)
