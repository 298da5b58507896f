"""The schema of a manifest file: the fields of each resource, and the nested parts of a load balancer."""

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

# The parts of each resource. A pool written in place of a reference is moved to the load balancer's pools.
PARTS: Mapping[str, Sequence[Part]] = {
    name: [part for part in parts if not part.by_name] for name, parts in tree.PARTS.items()
}
ORDERED_BY = {L7POLICY.name: "position"}  # derived from their order in the file
NEEDED = {LOADBALANCER.name: ("name",), POOL.name: ("name",)}  # required to match objects
OWNERS = ("loadbalancer", "listener", "pool")
TRANSPORTS = {"UDP": "UDP", "SCTP": "SCTP"}  # transport of a listener's protocol; default TCP


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
    places: dict[str, Position] = field(default_factory=dict)  # position of each key's value
    parts: dict[str, list[Declared]] = field(default_factory=dict)  # the sections that are in the file


def keys(resource: Resource) -> Mapping[str, Field]:
    """Map the keys of a file to a resource's fields: the API's names, but without _id for references to pools."""
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
    """Return the keys that are mandatory for an object in a file."""
    required = [key for key, each in keys(resource).items() if each.required]
    return list(dict.fromkeys([*NEEDED.get(resource.name, ()), *required]))


def identity(resource: Resource, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what identifies an object among its siblings; by default its name, if it has one."""
    if resource is LISTENER:
        return TRANSPORTS.get(values["protocol"], "TCP"), int(values["protocol_port"])
    if resource is MEMBER:
        return normal(MEMBER["address"], values["address"]), int(values["protocol_port"])
    return (values.get("name") or "",)


def label(resource: Resource, values: Mapping[str, Any]) -> str:
    """Return a readable label of an object, unique among its siblings."""
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
    """Return the short name of a resource inside a load balancer: policy instead of L7 policy."""
    return resource.title.removeprefix("L7 ").lower()


def endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


def rule_words(rule: Mapping[str, Any]) -> str:
    """Return a short description of a rule, such as "not PATH STARTS_WITH /shop"."""
    words = ("not" if rule.get("invert") else "", rule["type"], rule.get("key") or "", rule["compare_type"])
    return " ".join(filter(None, (*words, str(rule["value"]))))


def default(each: Field) -> Any:
    return list(each.default) if isinstance(each.default, tuple) else each.default


def normal(each: Field, value: Any) -> Any:
    """Return a value in its normal form, in which different spellings of the same value are equal."""
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
    """Return whether a value in a file equals the server's value."""
    if each.type is not Type.OBJECTS:
        return bool(normal(each, wanted) == normal(each, live))
    return len(wanted or ()) == len(live or ()) and all(
        any(one.items() <= other.items() for other in live or ()) for one in wanted or ()
    )


def _network(text: str) -> str:
    """Return the network of an address with a prefix length: 10.0.0.0/8 for 10.0.0.7/8."""
    try:
        return str(ipaddress.ip_network(text, strict=False)) if "/" in text else text
    except ValueError:
        return text


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text
