"""What stands in a file for a load balancer: the fields of each resource, and the parts within it."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..resources import (
    BY_NAME,
    L7POLICY,
    L7RULE,
    LISTENER,
    LOADBALANCER,
    MEMBER,
    POOL,
    Api,
    Field,
    Resource,
    Type,
    tree,
)
from ..resources.tree import Part

# What a resource contains; a pool that stands where one could be named is moved to the others.
PARTS: Mapping[str, Sequence[Part]] = {
    name: [part for part in parts if not part.by_name] for name, parts in tree.PARTS.items()
}
ORDERED_BY = {L7POLICY.name: "position"}  # their order in the file decides it
NEEDED = {LOADBALANCER.name: ("name",), POOL.name: ("name",)}  # beside what the API requires: found by it
OWNERS = ("loadbalancer", "listener", "pool")
TRANSPORTS = {"UDP": "UDP", "SCTP": "SCTP"}  # of a listener's protocol; (TCP)


@dataclass(frozen=True, order=True)
class Position:
    """A point in a file; lines and columns count from 1."""

    source: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}"


@dataclass
class Declared:
    """An object of a file: values by the keys that stand there, names not yet looked up."""

    resource: Resource
    place: Position
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Position] = field(default_factory=dict)  # of each key's value
    parts: dict[str, list[Declared]] = field(default_factory=dict)  # the sections that stand there


def keys(resource: Resource) -> Mapping[str, Field]:
    """How a file calls a resource's fields: as the API does; a pool, which is named, without _id."""
    return _keys(resource.name)


@functools.cache
def _keys(name: str) -> Mapping[str, Field]:
    resource = BY_NAME[name]
    return {_key(each): each for each in resource.fields if _is_declared(resource, each)}


def _key(each: Field) -> str:
    return each.name.removesuffix("_id") if each.refers == POOL.name else each.name


def _is_declared(resource: Resource, each: Field) -> bool:
    if Api.POST not in each.api or each.name == ORDERED_BY.get(resource.name):
        return False
    if each.refers == "project":
        return resource is LOADBALANCER
    return each.refers not in OWNERS or Api.PUT in each.api


def identifying(resource: Resource) -> list[str]:
    """The keys that an object of a file cannot be without."""
    required = [key for key, each in keys(resource).items() if each.required]
    return list(dict.fromkeys([*NEEDED.get(resource.name, ()), *required]))


def identity(resource: Resource, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells an object from its siblings; of what has no identity of its own, the name, if it has one."""
    if resource is LISTENER:
        return TRANSPORTS.get(values["protocol"], "TCP"), int(values["protocol_port"])
    if resource is MEMBER:
        return normal(MEMBER["address"], values["address"]), int(values["protocol_port"])
    return (values.get("name") or "",)


def label(resource: Resource, values: Mapping[str, Any]) -> str:
    """An object as people call it, among its siblings."""
    name = values.get("name") or ""
    if resource is LISTENER:
        name = " ".join(filter(None, (name, f"({values['protocol']} {values['protocol_port']})")))
    elif resource is MEMBER:
        name = endpoint(values["address"], values["protocol_port"]) + (f" ({name})" if name else "")
    elif resource is L7RULE:
        name = rule_words(values)
    elif resource is L7POLICY and not name:
        name = f"({values['action']})"
    return f"{title(resource)} {name}".strip()


def title(resource: Resource) -> str:
    """What people call such an object inside a load balancer: policy, rather than L7 policy."""
    return resource.title.removeprefix("L7 ").lower()


def endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


def rule_words(rule: Mapping[str, Any]) -> str:
    """A rule in a few words: not PATH STARTS_WITH /shop."""
    words = ("not" if rule.get("invert") else "", rule["type"], rule.get("key") or "", rule["compare_type"])
    return " ".join(filter(None, (*words, str(rule["value"]))))


def default(each: Field) -> Any:
    return list(each.default) if isinstance(each.default, tuple) else each.default


def normal(each: Field, value: Any) -> Any:
    """A value in the form in which two spellings of the same are equal."""
    if value is None:
        value = default(each)
    if each.type is Type.MAPPING:
        return {key: str(one) for key, one in (value or {}).items() if one is not None}
    if each.type is Type.STRINGS:
        return sorted({_network(str(one)) for one in value or ()})
    if value is None or value == "":
        return None
    if each.type is Type.INTEGER:
        return int(value)
    if each.type is Type.ADDRESS:
        return _address(str(value))
    return value if each.type in (Type.BOOLEAN, Type.OBJECTS) else str(value)


def is_same(each: Field, wanted: Any, live: Any) -> bool:
    """Whether a value of a file is what the server has."""
    if each.type is not Type.OBJECTS:
        return bool(normal(each, wanted) == normal(each, live))
    return len(wanted or ()) == len(live or ()) and all(
        any(one.items() <= other.items() for other in live or ()) for one in wanted or ()
    )


def _network(text: str) -> str:
    """10.0.0.7/8 is the network 10.0.0.0/8."""
    try:
        return str(ipaddress.ip_network(text, strict=False)) if "/" in text else text
    except ValueError:
        return text


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text
