"""The commands of availability zones."""

from __future__ import annotations

from ...resources import AVAILABILITYZONE
from .. import verbs


class CreateAvailabilityZone(verbs.Create):
    """Create an availability zone: a name for a place, which new load balancers can choose."""

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
    """Reset settings of an availability zone to their defaults."""

    resource = AVAILABILITYZONE
    examples = ("--description east",)


class DeleteAvailabilityZone(verbs.Delete):
    """Delete availability zones that no load balancer is in."""

    resource = AVAILABILITYZONE
    examples = ("east",)
