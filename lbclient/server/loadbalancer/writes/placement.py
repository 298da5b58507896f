"""Placement of a new load balancer: resolve its provider, its flavor and its availability zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from ....store import placing, vip_groups
from ....store.records import Record
from ....store.tables import AVAILABILITYZONE, AVAILABILITYZONEPROFILE, FLAVOR, FLAVORPROFILE
from ...errors import BadRequest, Unavailable, ValidationFailure
from ...services import Services
from .. import capabilities, drivers

Values = dict[str, Any]


@dataclass(frozen=True)
class Placement:
    """The provider of one load balancer, and the options of its flavor and its availability zone."""

    provider: str
    flavor: Values
    zone: Values

    def check_network(self, network_id: str | None) -> None:
        """Check that the zone allows a VIP in this network (None if unknown: allowed). Raises ValidationFailure."""
        allowed = self.zone.get("valid_vip_networks")
        if allowed and network_id and network_id not in allowed:
            raise ValidationFailure("Supplied VIP network_id is not allowed by the configuration of this deployment.")


def of(tx: sa.Connection, services: Services, values: Values) -> Placement:
    """Return the placement of a new load balancer. Raises BadRequest, ValidationFailure and UnsupportedOption."""
    flavor = _flavor(tx, values["flavor_id"])
    zone = _zone(tx, values["availability_zone"])
    provider = _provider(services, values["provider"], flavor)
    return Placement(
        provider=provider,
        # The options are checked again: the provider's support may have changed since the profile was created.
        flavor=capabilities.flavor(services, provider, flavor.flavor_data) if flavor else {},
        zone=capabilities.zone(services, provider, zone.availability_zone_data) if zone else {},
    )


def place(
    tx: sa.Connection, services: Services, loadbalancer_id: str, vips: Sequence[str], placement: Placement
) -> None:
    """Give a new load balancer with these addresses its amphora, or two; those of a no-op provider have none.

    Raises Unavailable.
    """
    if not drivers.is_noop(services.config.providers, placement.provider):
        described = {
            "cached_zone": placement.zone.get("compute_zone"),
            "compute_flavor": placement.flavor.get("compute_flavor"),
        }
        try:
            if placement.flavor.get("loadbalancer_topology") == capabilities.PAIR:
                vip_groups.place(tx, loadbalancer_id, vips, described)
            else:
                placing.place(tx, loadbalancer_id, vips, described)
        except placing.NoHost as error:
            raise Unavailable(str(error)) from None


def check_member_sriov(tx: sa.Connection, flavor_id: str | None) -> None:
    """Check that a load balancer of this flavor may have SR-IOV ports for its members. Raises BadRequest."""
    joined = sa.join(FLAVOR, FLAVORPROFILE, FLAVOR.c.flavor_profile_id == FLAVORPROFILE.c.id)
    data = tx.scalar(sa.select(FLAVORPROFILE.c.flavor_data).select_from(joined).where(FLAVOR.c.id == flavor_id))
    if not (data and orjson.loads(data).get("allow_member_sriov")):
        raise BadRequest("The load balancer flavor does not allow SR-IOV member ports.")


def _flavor(tx: sa.Connection, flavor_id: str | None) -> Record | None:
    """Return the flavor with its profile, locked against deletion. Raises ValidationFailure and BadRequest."""
    if flavor_id is None:
        return None
    joined = sa.join(FLAVOR, FLAVORPROFILE, FLAVOR.c.flavor_profile_id == FLAVORPROFILE.c.id)
    columns = (FLAVOR, FLAVORPROFILE.c.provider_name, FLAVORPROFILE.c.flavor_data)
    found = sa.select(*columns).select_from(joined).where(FLAVOR.c.id == flavor_id)
    flavor = tx.execute(found.with_for_update(read=True, of=FLAVOR)).one_or_none()
    if flavor is None:
        raise ValidationFailure("Invalid flavor_id.")
    _check_enabled("flavor", flavor, flavor_id)
    return flavor


def _zone(tx: sa.Connection, name: str | None) -> Record | None:
    if name is None:
        return None
    zones, profiles = AVAILABILITYZONE, AVAILABILITYZONEPROFILE
    joined = sa.join(zones, profiles, zones.c.availability_zone_profile_id == profiles.c.id)
    found = sa.select(zones, profiles.c.availability_zone_data).select_from(joined).where(zones.c.name == name)
    zone = tx.execute(found.with_for_update(read=True, of=zones)).one_or_none()
    if zone is None:
        raise ValidationFailure("Invalid availability zone.")
    _check_enabled("availability_zone", zone, name)
    return zone


def _check_enabled(option: str, row: Record, value: str) -> None:
    if not row.enabled:
        raise BadRequest(f"The selected {option} is not allowed in this deployment: {value}")


def _provider(services: Services, asked: str | None, flavor: Record | None) -> str:
    """Return the requested provider, or the flavor's, or the default.

    Raises BadRequest if the requested provider differs from the flavor's, or is not enabled.
    """
    name = asked or (flavor.provider_name if flavor else services.config.default_provider)
    if flavor and name != flavor.provider_name:
        raise BadRequest(f"Flavor '{flavor.id}' is not compatible with provider '{name}'")
    capabilities.check_enabled(services, name)
    return str(name)
