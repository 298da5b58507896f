"""The commands of flavors."""

from __future__ import annotations

from ...resources import FLAVOR
from .. import verbs


class CreateFlavor(verbs.Create):
    """Create a flavor: a name for a flavor profile, which new load balancers can choose."""

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
    """Reset settings of a flavor to their defaults."""

    resource = FLAVOR
    examples = ("--description small",)


class DeleteFlavor(verbs.Delete):
    """Delete flavors that no load balancer uses."""

    resource = FLAVOR
    examples = ("small",)
