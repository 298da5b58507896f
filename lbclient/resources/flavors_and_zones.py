"""Flavors and availability zones, which operators define, and their profiles."""

from __future__ import annotations

from dataclasses import replace

from . import shared
from .fields import FIXED, Cli, Field, Resource, Type

CREATE_AND_LIST = Cli.CREATE | Cli.LIST
CREATE_SET_AND_LIST = Cli.CREATE | Cli.SET | Cli.LIST


def _name(what: str) -> Field:
    return Field(
        "name",
        Type.STRING,
        f"The name of the {what}.",
        cli=CREATE_SET_AND_LIST,
        required=True,
        null_means_default=False,
    )


def _provider(what: str) -> Field:
    return Field(
        "provider_name",
        Type.STRING,
        f"The provider that the {what} is for.",
        cli=CREATE_SET_AND_LIST,
        required=True,
        null_means_default=False,
        flag="provider",
    )


def _data(name: str, what: str) -> Field:
    return Field(
        name,
        Type.STRING,
        f"What {what} means to the provider, as a JSON object of its capabilities.",
        cli=Cli.CREATE | Cli.SET,
        required=True,
        null_means_default=False,
        length=4096,
    )


def _enabled(what: str) -> Field:
    return Field(
        "enabled",
        Type.BOOLEAN,
        f"Whether the {what} can be chosen for a new load balancer.",
        cli=CREATE_SET_AND_LIST,
        default=True,
        null_means_default=False,
        flag="enable/disable",
    )


def _profile(name: str, flag: str, what: str) -> Field:
    return Field(
        name,
        Type.UUID,
        f"The profile of the {what} (name or ID).",
        api=FIXED,
        cli=CREATE_AND_LIST,
        required=True,
        flag=flag,
        refers=flag,
    )


FLAVORPROFILE = Resource(
    name="flavorprofile",
    title="Flavor Profile",
    key="flavorprofile",
    collection="flavorprofiles",
    links="flavorprofile_links",
    path="/lbaas/flavorprofiles",
    since=6,
    argument="flavor_profile",
    fields=(shared.ID, _name("flavor profile"), _provider("flavor profile"), _data("flavor_data", "a flavor")),
    columns=("id", "name", "provider_name"),
    rows=("id", "name", "provider_name", "flavor_data"),
)

FLAVOR = Resource(
    name="flavor",
    title="Flavor",
    key="flavor",
    collection="flavors",
    path="/lbaas/flavors",
    since=6,
    fields=(
        shared.ID,
        replace(_name("flavor"), unique=True),
        shared.description("flavor"),
        _enabled("flavor"),
        _profile("flavor_profile_id", "flavorprofile", "flavor"),
    ),
    columns=("id", "name", "flavor_profile_id", "enabled"),
    rows=("id", "name", "flavor_profile_id", "enabled", "description"),
)

AVAILABILITYZONEPROFILE = Resource(
    name="availabilityzoneprofile",
    title="Availability Zone Profile",
    key="availability_zone_profile",
    collection="availability_zone_profiles",
    links="availability_zone_profile_links",
    path="/lbaas/availabilityzoneprofiles",
    since=14,
    argument="availabilityzone_profile",
    fields=(
        shared.ID,
        _name("availability zone profile"),
        _provider("availability zone profile"),
        _data("availability_zone_data", "an availability zone"),
    ),
    columns=("id", "name", "provider_name"),
    rows=("id", "name", "provider_name", "availability_zone_data"),
)

AVAILABILITYZONE = Resource(
    name="availabilityzone",
    title="Availability Zone",
    key="availability_zone",
    collection="availability_zones",
    path="/lbaas/availabilityzones",
    since=14,
    identifier="name",
    fields=(
        # It stands in paths, where a slash would part it.
        replace(_name("availability zone"), api=FIXED, cli=CREATE_AND_LIST, pattern=r"[^/]+"),
        shared.description("availability zone"),
        _enabled("availability zone"),
        _profile("availability_zone_profile_id", "availabilityzoneprofile", "availability zone"),
    ),
    columns=("name", "availability_zone_profile_id", "enabled"),
    rows=("name", "availability_zone_profile_id", "enabled", "description"),
)
