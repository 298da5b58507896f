"""The commands of availability zones."""

from __future__ import annotations

from ...resources import AVAILABILITYZONE
from .. import verbs


class CreateAvailabilityZone(verbs.Create):
    """Create an availability zone: a place, under a name that can be chosen for a new load balancer."""

    resource = AVAILABILITYZONE
    examples = ("--name east --availabilityzoneprofile east-profile",)


class ListAvailabilityZone(verbs.List):
    """List availability zones."""

    resource = AVAILABILITYZONE
    examples = ("--enable",)


class ShowAvailabilityZone(verbs.Show):
    """Show an availability zone."""

    resource = AVAILABILITYZONE
    examples = ("east",)


class SetAvailabilityZone(verbs.Set):
    """Change an availability zone."""

    resource = AVAILABILITYZONE
    examples = ("--disable east",)


class UnsetAvailabilityZone(verbs.Unset):
    """Clear settings of an availability zone: they get their defaults again."""

    resource = AVAILABILITYZONE
    examples = ("--description east",)


class DeleteAvailabilityZone(verbs.Delete):
    """Delete availability zones that no load balancer is in."""

    resource = AVAILABILITYZONE
    examples = ("east",)
