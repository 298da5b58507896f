"""The commands of availability zone profiles."""

from __future__ import annotations

from ...resources import AVAILABILITYZONEPROFILE
from .. import verbs


class CreateAvailabilityZoneProfile(verbs.Create):
    """Create an availability zone profile: what its zones mean to a provider."""

    resource = AVAILABILITYZONEPROFILE
    examples = ("""--name east-profile --provider octavia --availability-zone-data '{"compute_zone": "east"}'""",)


class ListAvailabilityZoneProfile(verbs.List):
    """List availability zone profiles."""

    resource = AVAILABILITYZONEPROFILE
    examples = ("--provider octavia",)


class ShowAvailabilityZoneProfile(verbs.Show):
    """Show an availability zone profile."""

    resource = AVAILABILITYZONEPROFILE
    examples = ("east-profile",)


class SetAvailabilityZoneProfile(verbs.Set):
    """Change an availability zone profile; only its name while a zone uses it."""

    resource = AVAILABILITYZONEPROFILE
    examples = ("--name east east-profile",)


class DeleteAvailabilityZoneProfile(verbs.Delete):
    """Delete availability zone profiles that no zone uses."""

    resource = AVAILABILITYZONEPROFILE
    examples = ("east-profile",)
