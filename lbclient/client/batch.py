"""Batch updates of a pool's members: the differences, and the single request that applies them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..resources import MEMBER, Api, Field, Type
from . import api, errors
from .rest import Json

Key = tuple[str, int]
Change = tuple[Any, Any]  # (old value, new value)

KEY = ("address", "protocol_port")
ADDITIVE = "additive_only"


@dataclass(frozen=True)
class Difference:
    """The changes that a list of members makes in a pool."""

    added: Sequence[Json]
    changed: Sequence[tuple[Json, Mapping[str, Change]]]  # the current member, and its changes
    removed: Sequence[Json]
    unchanged: int

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def key(member: Json) -> Key:
    """Return the address and port that identify a member in its pool."""
    return normal_address(str(member["address"])), int(member["protocol_port"])


def normal_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def difference(current: Iterable[Json], wanted: Sequence[Json], *, is_additive: bool) -> Difference:
    """Return the changes that sending the wanted members would make. Attributes that are not given stay unchanged."""
    known = {key(record): record for record in current}
    changes = [(known[key(each)], _changes(known[key(each)], each)) for each in wanted if key(each) in known]
    named = {key(each) for each in wanted}
    return Difference(
        added=[each for each in wanted if key(each) not in known],
        changed=[(record, changed) for record, changed in changes if changed],
        removed=[] if is_additive else [record for place, record in known.items() if place not in named],
        unchanged=sum(not changed for _, changed in changes),
    )


def send(service: api.Api, pool_id: str, current: Sequence[Json], wanted: Sequence[Json], *, is_additive: bool) -> None:
    """Send the members in one PUT request.

    A server before v2.11 does not support additive_only; for it the request also includes the members to keep.
    """
    if not is_additive:
        return service.replace_members(pool_id, wanted)
    try:
        service.replace_members(pool_id, wanted, {ADDITIVE: "true"})
    except errors.BadRequest as refusal:
        if ADDITIVE not in refusal.words:
            raise
        named = {key(each) for each in wanted}
        kept = [{name: record[name] for name in KEY} for record in current if key(record) not in named]
        service.replace_members(pool_id, [*kept, *wanted])


def _changes(record: Json, wanted: Json) -> dict[str, Change]:
    fields = [field for field in MEMBER.fields if field.name in wanted and field.name not in KEY and field.stored]
    found = {field.name: (record.get(field.name), wanted[field.name]) for field in fields}
    return {
        name: each for name, each in found.items() if _normal(MEMBER[name], each[0]) != _normal(MEMBER[name], each[1])
    }


def _normal(field: Field, value: Any) -> Any:
    if field.type is Type.ADDRESS and value:
        return normal_address(value)
    if field.type is Type.STRINGS:
        return sorted(value or ())
    return field.default if value is None else value


def fixed(changes: Mapping[str, Change]) -> list[str]:
    """Return the names of the changed attributes that cannot be changed in an existing member."""
    return [name for name in changes if Api.PUT not in MEMBER[name].api]
