"""Request handlers of flavors, availability zones and their profiles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from ....resources import AVAILABILITYZONE, AVAILABILITYZONEPROFILE, FLAVOR, FLAVORPROFILE, LOADBALANCER, Resource
from ....store import serials
from ....store.records import Record
from ....store.tables import FLAVORS_AND_ZONES, TABLES
from ...errors import Conflict, NotFound, ValidationFailure
from ...services import Services
from ...web.routing import Answer, Handler, Request
from .. import bodies, capabilities, listing, policy, present

Values = dict[str, Any]


@dataclass(frozen=True)
class Use:
    """The table whose rows refer to a flavor, zone or profile, and the column with the reference."""

    title: str  # the resource's title in the errors of a conflict, and of the deletion of an unknown ID
    table: sa.Table
    column: str


USES = {
    FLAVORPROFILE.name: Use("Flavor profile", FLAVORS_AND_ZONES[FLAVOR.name], "flavor_profile_id"),
    FLAVOR.name: Use("Flavor", TABLES[LOADBALANCER.name], "flavor_id"),
    AVAILABILITYZONEPROFILE.name: Use(
        "Availability Zone Profile", FLAVORS_AND_ZONES[AVAILABILITYZONE.name], "availability_zone_profile_id"
    ),
    AVAILABILITYZONE.name: Use("Availability Zone", TABLES[LOADBALANCER.name], "availability_zone"),
}
PROFILES = {FLAVOR.name: FLAVORPROFILE, AVAILABILITYZONE.name: AVAILABILITYZONEPROFILE}
# The names of the resources in the policy rules.
NAMES = {
    FLAVOR.name: "flavor",
    FLAVORPROFILE.name: "flavor-profile",
    AVAILABILITYZONE.name: "availability-zone",
    AVAILABILITYZONEPROFILE.name: "availability-zone-profile",
}


def list_of(resource: Resource) -> Handler:
    """GET of a collection; as in Octavia, sorted by ID if its objects have IDs."""
    table = FLAVORS_AND_ZONES[resource.name]
    unique = "id" if "id" in resource else "serial"

    def handler(services: Services, request: Request) -> Answer:
        policy.check(services, request.who, f"{NAMES[resource.name]}:get_all")
        with services.store.reading() as tx:
            return listing.answer(tx, request, resource, table, unique)

    return handler


def show(resource: Resource) -> Handler:
    """GET of one object."""

    def handler(services: Services, request: Request, id: str) -> Answer:
        policy.check(services, request.who, f"{NAMES[resource.name]}:get_one")
        with services.store.reading() as tx:
            row = _find(tx, resource, id)
        return Answer({resource.key: present.plain(resource, row, listing.fields(request.query))})

    return handler


def create(resource: Resource) -> Handler:
    """POST of one object."""
    table = FLAVORS_AND_ZONES[resource.name]

    def handler(services: Services, request: Request) -> Answer:
        policy.check(services, request.who, f"{NAMES[resource.name]}:post")
        values = bodies.created(resource, request.body)
        values |= {"id": str(uuid4())} if "id" in resource else {}
        with services.store.writing() as tx, _kept_unique(resource, values):
            values["serial"] = serials.of_row(tx)
            _check_profile(tx, resource, values)
            _check_data(tx, services, resource, values)
            tx.execute(sa.insert(table).values(values))
            row = _find(tx, resource, values[resource.identifier])
        return Answer({resource.key: present.plain(resource, row)}, 201)

    return handler


def update(resource: Resource) -> Handler:
    """PUT of one object; of a profile that is in use, only the name can change."""
    table = FLAVORS_AND_ZONES[resource.name]

    def handler(services: Services, request: Request, id: str) -> Answer:
        policy.check(services, request.who, f"{NAMES[resource.name]}:put")
        values = bodies.changed(resource, request.body)
        with services.store.writing() as tx, _kept_unique(resource, values):
            row = _find(tx, resource, id, for_update=True)
            if resource in PROFILES.values() and values.keys() - {"name"}:
                _check_is_unused(tx, resource, id)
                _check_data(tx, services, resource, {**row._mapping, **values})
            if values:
                tx.execute(sa.update(table).where(table.c[resource.identifier] == id).values(values))
            row = _find(tx, resource, id)
        return Answer({resource.key: present.plain(resource, row)})

    return handler


def delete(resource: Resource) -> Handler:
    """DELETE of one object that is not in use."""
    table = FLAVORS_AND_ZONES[resource.name]

    def handler(services: Services, request: Request, id: str) -> Answer:
        policy.check(services, request.who, f"{NAMES[resource.name]}:delete")
        with services.store.writing() as tx:
            _find(tx, resource, id, for_update=True, title=USES[resource.name].title)
            _check_is_unused(tx, resource, id)
            tx.execute(sa.delete(table).where(table.c[resource.identifier] == id))
        return Answer(None, 204)

    return handler


def _find(tx: sa.Connection, resource: Resource, id_: str, for_update: bool = False, title: str = "") -> Record:
    """Return the row; with for_update it is locked, so that no other transaction starts to use it. Raises NotFound."""
    table = FLAVORS_AND_ZONES[resource.name]
    statement = sa.select(table).where(table.c[resource.identifier] == id_)
    row = tx.execute(statement.with_for_update() if for_update else statement).one_or_none()
    if row is None:
        raise NotFound.named(title or resource.title, id_)
    return row


def _check_is_unused(tx: sa.Connection, resource: Resource, id_: str) -> None:
    use = USES[resource.name]
    if tx.scalar(sa.select(sa.literal(1)).where(use.table.c[use.column] == id_).limit(1)):
        raise Conflict(f"{use.title} {id_} is in use and cannot be modified.")


def _check_profile(tx: sa.Connection, resource: Resource, values: Values) -> None:
    """Check that the profile of a new flavor or zone exists, and lock it against deletion. Raises ValidationFailure."""
    profile = PROFILES.get(resource.name)
    if profile is None:
        return
    column = USES[profile.name].column
    table = FLAVORS_AND_ZONES[profile.name]
    found = sa.select(table.c.id).where(table.c.id == values[column]).with_for_update(read=True)
    if tx.scalar(found) is None:
        raise ValidationFailure(f"Invalid {column}.")


def _check_data(tx: sa.Connection, services: Services, resource: Resource, values: Values) -> None:
    """Check that the provider of a profile supports its data. Raises BadRequest and UnsupportedOption."""
    if resource is FLAVORPROFILE:
        capabilities.check_enabled(services, values["provider_name"])
        flavor = capabilities.flavor(services, values["provider_name"], values["flavor_data"])
        capabilities.check_topology(tx, services, values["provider_name"], flavor)
    if resource is AVAILABILITYZONEPROFILE:
        capabilities.check_enabled(services, values["provider_name"])
        zone = capabilities.zone(services, values["provider_name"], values["availability_zone_data"])
        capabilities.check_networks(tx, services, zone)


@contextmanager
def _kept_unique(resource: Resource, values: Values) -> Iterator[None]:
    """Raise Conflict if the name is taken; the database decides, also between concurrent requests."""
    try:
        yield
    except sa.exc.IntegrityError:
        raise Conflict(f"A {resource.title.lower()} of {values['name']} already exists.") from None
