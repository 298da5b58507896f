"""The types of rows say what the definitions of the resources say."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest

from lbclient import resources
from lbclient.resources import Field, Resource, Type
from lbclient.store import records
from lbclient.store.tables import TABLES

RECORDS = {
    "loadbalancer": records.LoadBalancerRecord,
    "listener": records.ListenerRecord,
    "pool": records.PoolRecord,
    "member": records.MemberRecord,
    "healthmonitor": records.HealthMonitorRecord,
    "l7policy": records.L7PolicyRecord,
    "l7rule": records.L7RuleRecord,
}
TYPES = {
    Type.INTEGER: int,
    Type.BOOLEAN: bool,
    Type.STRINGS: list[str],
    Type.MAPPING: dict[str, str | None],
    Type.OBJECTS: list[dict[str, Any]],
}


def field_type(field: Field) -> Any:
    """Null is what a field has that neither has to be given nor has a default."""
    found: Any = TYPES.get(field.type, str)
    is_filled = field.default is not None or field.required or field.always or field.name.startswith("loadbalancer")
    return found if is_filled else found | None


def column_type(name: str) -> Any:
    """Columns that belong to no field."""
    if name in ("serial", "revision"):
        return int
    if name == "logging":
        return dict[str, Any] | None
    return str | None if name in ("fault",) else str


@pytest.mark.parametrize("resource", resources.ALL, ids=lambda each: each.name)
def test_a_record_has_the_columns_of_its_table_with_their_types(resource: Resource) -> None:
    stored = {field.name: field_type(field) for field in resource.fields if field.stored}
    others = {column.name for column in TABLES[resource.name].c if not column.name.endswith("_canonical")} - set(stored)
    expected = {**stored, **{name: column_type(name) for name in others}}
    assert get_type_hints(RECORDS[resource.name]) == expected


def test_every_resource_has_a_record() -> None:
    assert list(RECORDS) == list(TABLES)
