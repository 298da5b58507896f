"""Tables of the load-balancing resources: a column for each stored field, and a few that belong to no field."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson
import sqlalchemy as sa

from .. import resources
from ..resources import Field, Resource, Type
from . import addresses

metadata = sa.MetaData()

OWNERS = ("project_id", "loadbalancer_id", "listener_id", "pool_id", "l7policy_id")  # lists filter by these


class Json(sa.TypeDecorator[Any]):
    """A JSON value stored as text on every database, so that a string in it can be searched for by its JSON text."""

    impl = sa.Text
    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], str | None]:
        return _dumped

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[str | None], Any]:
        return _loaded


def _dumped(value: Any) -> str | None:
    return "[]" if value == [] else None if value is None else json.dumps(value, ensure_ascii=False)


def _loaded(text: str | None) -> Any:
    return [] if text == "[]" else None if text is None else orjson.loads(text)


def _column_type(field: Field) -> Any:
    match field.type:
        case Type.INTEGER:
            return sa.BigInteger()
        case Type.BOOLEAN:
            return sa.Boolean()
        case Type.STRINGS | Type.MAPPING | Type.OBJECTS:
            return Json()
        case Type.UUID:
            return sa.String(36)
        case Type.TIME:
            return sa.String(19)
        case _:
            return sa.Text()


def _columns_of(field: Field) -> tuple[sa.Column[Any], ...]:
    if field.type is Type.ADDRESS:
        return addresses.columns(field.name)
    return (sa.Column(field.name, _column_type(field), primary_key=field.name == "id"),)


def _columns(resource: Resource) -> list[sa.Column[Any]]:
    columns = [column for field in resource.fields if field.stored for column in _columns_of(field)]
    names = {column.name for column in columns}
    owners = ["loadbalancer_id"] if resource is not resources.LOADBALANCER else []
    owners += [f"{resource.parent}_id"] if resource.parent else []
    columns += [sa.Column(owner, sa.String(36)) for owner in owners if owner not in names]
    return columns


def _table(resource: Resource) -> sa.Table:
    table = sa.Table(
        resource.name,
        metadata,
        *_columns(resource),
        # Time of creation in nanoseconds: the order of lists, since created_at has whole seconds only.
        sa.Column("serial", sa.BigInteger, nullable=False, index=True),
        # Changes of a load balancer are numbered; a row has the number of the change that touched it last.
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    for name in OWNERS:
        if name in table.c:
            sa.Index(f"ix_{resource.name}_{name}", table.c[name], table.c.serial)  # in the order of lists
    for name in ("default_pool_id", "redirect_pool_id", "name"):
        if name in table.c:
            sa.Index(f"ix_{resource.name}_{name}", table.c[name])
    return table


TABLES: dict[str, sa.Table] = {resource.name: _table(resource) for resource in resources.ALL}

LOADBALANCER = TABLES["loadbalancer"]
LISTENER = TABLES["listener"]
POOL = TABLES["pool"]
MEMBER = TABLES["member"]
HEALTHMONITOR = TABLES["healthmonitor"]
L7POLICY = TABLES["l7policy"]
L7RULE = TABLES["l7rule"]

# The reason why a load balancer is in ERROR, as last reported by the data plane.
LOADBALANCER.append_column(sa.Column("fault", sa.Text))

# What is logged of the traffic: the fields of resources.logging.LOGGING. A listener with null has its load balancer's.
for _table_with_logs in (LOADBALANCER, LISTENER):
    _table_with_logs.append_column(sa.Column("logging", Json))

sa.Index("ix_member_revision", MEMBER.c.loadbalancer_id, MEMBER.c.revision)  # those that changed since a snapshot
sa.Index("ix_member_operating_status", MEMBER.c.loadbalancer_id, MEMBER.c.operating_status)
sa.UniqueConstraint(MEMBER.c.pool_id, MEMBER.c.address_canonical, MEMBER.c.protocol_port)
sa.UniqueConstraint(HEALTHMONITOR.c.pool_id)


def _flavor_or_zone_table(resource: Resource) -> sa.Table:
    return sa.Table(
        resource.name,
        metadata,
        *(
            sa.Column(
                field.name,
                _column_type(field),
                primary_key=field.name == resource.identifier,
                unique=field.unique or None,
                nullable=False,
            )
            for field in resource.fields
        ),
        sa.Column("serial", sa.BigInteger, nullable=False, index=True),
    )


FLAVORS_AND_ZONES: dict[str, sa.Table] = {
    resource.name: _flavor_or_zone_table(resource) for resource in resources.FLAVORS_AND_ZONES
}

FLAVORPROFILE = FLAVORS_AND_ZONES["flavorprofile"]
FLAVOR = FLAVORS_AND_ZONES["flavor"]
AVAILABILITYZONEPROFILE = FLAVORS_AND_ZONES["availabilityzoneprofile"]
AVAILABILITYZONE = FLAVORS_AND_ZONES["availabilityzone"]

# Indices to find the users of a row without a full scan before it is deleted.
sa.Index("ix_flavor_flavor_profile_id", FLAVOR.c.flavor_profile_id)
sa.Index("ix_availabilityzone_profile_id", AVAILABILITYZONE.c.availability_zone_profile_id)
sa.Index("ix_loadbalancer_flavor_id", LOADBALANCER.c.flavor_id)
sa.Index("ix_loadbalancer_availability_zone", LOADBALANCER.c.availability_zone)

# Projects have a row only if their limits differ from the defaults.
QUOTA = sa.Table(
    "quota",
    metadata,
    *(
        sa.Column(field.name, _column_type(field), primary_key=field.name == resources.QUOTA.identifier)
        for field in resources.QUOTA.fields
    ),
)

STATISTICS = sa.Table(
    "listener_statistics",
    metadata,
    sa.Column("listener_id", sa.String(36), primary_key=True),
    sa.Column("host_id", sa.String(36), primary_key=True),  # each host counts by itself; shown is the sum
    *(sa.Column(name, sa.BigInteger, nullable=False, default=0) for name in resources.STATISTICS),
)

SCHEMA = sa.Table(
    "schema_version",
    metadata,
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("database_id", sa.String(36), nullable=False),  # state directories recognise their database by it
)
