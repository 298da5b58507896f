"""The commands of flavor profiles."""

from __future__ import annotations

from ...resources import FLAVORPROFILE
from .. import verbs


class CreateFlavorProfile(verbs.Create):
    """Create a flavor profile: what its flavors mean to a provider."""

    resource = FLAVORPROFILE
    examples = ("""--name single --provider octavia --flavor-data '{"loadbalancer_topology": "SINGLE"}'""",)


class ListFlavorProfile(verbs.List):
    """List flavor profiles."""

    resource = FLAVORPROFILE
    examples = ("--provider octavia",)


class ShowFlavorProfile(verbs.Show):
    """Show a flavor profile."""

    resource = FLAVORPROFILE
    examples = ("single",)


class SetFlavorProfile(verbs.Set):
    """Change a flavor profile; only its name while a flavor uses it."""

    resource = FLAVORPROFILE
    examples = ("--name one single",)


class DeleteFlavorProfile(verbs.Delete):
    """Delete flavor profiles that no flavor uses."""

    resource = FLAVORPROFILE
    examples = ("single",)
