"""Parse the body of a request into checked values, attribute by attribute."""

from __future__ import annotations

import ipaddress
import uuid
from typing import Any

from ...resources import Api
from ...strings import is_storable
from .. import errors
from ..access.context import Context
from ..attributes import Attribute, Check, Checker, Kind, Type, Wording
from ..attributes import Values as Values

BAD = "HTTPBadRequest"


def created(kind: Kind, body: Any, who: Context) -> list[Values]:
    """Return the values of a POST of one object or of several. Raises errors.BadRequest and errors.Forbidden."""
    if not isinstance(body, dict) or kind.plural not in body:
        return [_created(kind, section(body, kind.name), who)]
    found = body[kind.plural]
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise bad(f"Resources required: '{kind.plural}' has to be a list of objects.")
    return [_created(kind, each, who) for each in found]


def _created(kind: Kind, given: Values, who: Context) -> Values:
    values = _values(kind, given, Api.POST, who)
    CHECKER.require(kind.attributes, values)
    project_id = values.setdefault("project_id", who.project_id)
    if not project_id:
        raise bad("A project is needed: the token has none, and project_id is not given.")
    return values


def changed(kind: Kind, body: Any, who: Context) -> Values:
    """Return the values of a PUT. Raises errors.BadRequest and errors.Forbidden."""
    return _values(kind, section(body, kind.name), Api.PUT, who)


def _values(kind: Kind, given: Values, verb: Api, who: Context) -> Values:
    given = _renamed(given)
    unknown = sorted(name for name in given if kind[name] is None)
    if unknown:
        raise bad("Unrecognized attribute(s) '" + "', '".join(unknown) + "'")
    values = {}
    for attribute in kind.attributes:
        if attribute.name in given:
            _may_give(kind, attribute, verb, who, given[attribute.name])
            values[attribute.name] = CHECKER.value(attribute, given[attribute.name])
    return values


def section(body: Any, name: str) -> Values:
    """Return the object under a name in a body. Raises errors.BadRequest."""
    if not isinstance(body, dict) or not isinstance(body.get(name), dict):
        raise bad(f"Unable to find '{name}' in request body")
    found: Values = body[name]
    return found


def _renamed(given: Values) -> Values:
    """Rename tenant_id, the former name of project_id."""
    return {("project_id" if name == "tenant_id" else name): value for name, value in given.items()}


def _may_give(kind: Kind, attribute: Attribute, verb: Api, who: Context, value: Any) -> None:
    if verb not in attribute.api:
        raise bad(f"Attribute '{attribute.name}' not allowed in {verb.name}")
    is_own_project = attribute.name == "project_id" and value == who.project_id
    if attribute.for_admins and not who.is_admin and not is_own_project and value not in (None, False):
        action = "create" if verb is Api.POST else "update"
        raise disallowed(f"{action}_{kind.name}:{attribute.name}")


def disallowed(rule: str) -> errors.Forbidden:
    return errors.Forbidden(f"rule:{rule} is disallowed by policy", kind="PolicyNotAuthorized")


def bad(why: str, kind: str = BAD) -> errors.BadRequest:
    return errors.BadRequest(why, kind=kind)


def _boolean(attribute: Attribute, value: Any) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    known = words.get(str(value).lower()) if isinstance(value, (str, bool, int)) else None
    if known is None:
        raise ValueError(f"'{value}' cannot be converted to boolean.")
    return known


def check_boolean(value: Any, name: str) -> bool:
    """Check a boolean inside another attribute's value. Raises errors.BadRequest."""
    checked: bool = CHECKER.value(Attribute(name, Type.BOOLEAN), value)
    return checked


def _integer(attribute: Attribute, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)) or len(str(value)) > 20:
        raise ValueError(f"'{value}' is not an integer.")
    number = int(value)
    if not attribute.minimum <= number <= attribute.maximum:
        raise ValueError(f"'{number}' is not between {attribute.minimum} and {attribute.maximum}.")
    return number


def _id(attribute: Attribute, value: Any) -> str:
    if not isinstance(value, str) or len(value) not in (32, 36):
        raise ValueError(f"'{value}' is not a valid UUID.")
    return str(uuid.UUID(value))


def _address(attribute: Attribute, value: Any) -> str:
    if not isinstance(value, str) or "%" in value:
        raise ValueError(f"'{value}' is not a valid IP address.")
    return str(ipaddress.ip_address(value))


def _cidr(attribute: Attribute, value: Any) -> str:
    if not isinstance(value, str) or "/" not in value or "%" in value:
        raise ValueError(f"'{value}' is not a valid IP subnet.")
    return str(ipaddress.ip_network(value, strict=False))


def _pools(attribute: Attribute, value: Any) -> list[dict[str, str]]:
    return [
        {end: _address(attribute, pool[end]) for end in ("start", "end")}
        for pool in _objects(attribute, value)
        if _has_only(pool, {"start", "end"})
    ]


def _has_only(pool: Values, names: set[str]) -> bool:
    if set(pool) != names:
        raise ValueError(f"each has to have {' and '.join(sorted(names))}, and nothing else.")
    return True


def _objects(attribute: Attribute, value: Any) -> list[Values]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError(f"'{value}' is not a list of objects.")
    for each in value:
        for text in each.values():
            if text is not None and not (isinstance(text, str) and is_storable(text)):
                raise ValueError(f"'{text}' is not a valid string.")
    return value


def _texts(attribute: Attribute, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"'{value}' is not a list.")
    return [CHECKER.text(attribute, each) for each in value]


def _object(attribute: Attribute, value: Any) -> Values:
    if not isinstance(value, dict):
        raise ValueError(f"'{value}' is not an object.")
    return value


PROTOCOLS = (
    *("ah", "dccp", "egp", "esp", "gre", "hopopt", "icmp", "icmpv6", "igmp", "ip", "ipip", "ipv6-encap", "ipv6-frag"),
    *("ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp", "udplite"),
    "vrrp",
)


def _protocol(attribute: Attribute, value: Any) -> str | None:
    name = str(value).lower() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if name in ("any", ""):
        if value in ("any", ""):
            return None
        raise ValueError(f"'{value}' is not a protocol.")
    is_number = name.isascii() and name.isdigit() and int(name[:4]) <= 255
    if not is_number and name not in PROTOCOLS:
        raise ValueError(f"'{name[:40]}' is not a protocol: a name or a number from 0 to 255.")
    return name


def _ids(attribute: Attribute, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"'{value}' is not a list.")
    return list(dict.fromkeys(_id(attribute, each) for each in value))


def _addresses(attribute: Attribute, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"'{value}' is not a list.")
    return [_address(attribute, each) for each in value]


CHECKS: dict[Type, Check] = {
    Type.BOOLEAN: _boolean,
    Type.INTEGER: _integer,
    Type.ID: _id,
    Type.ADDRESS: _address,
    Type.CIDR: _cidr,
    Type.POOLS: _pools,
    Type.OBJECTS: _objects,
    Type.TEXTS: _texts,
    Type.ADDRESSES: _addresses,
    Type.OBJECT: _object,
    Type.PROTOCOL: _protocol,
    Type.IDS: _ids,
}
CHECKER = Checker(
    Wording(
        wrong_type="'{value}' is not a valid string.",
        unstorable="'{value}' is not a valid string.",
        too_long="'{short}…' exceeds maximum length of {limit}.",
        not_a_choice="'{value}' is not in {choices}.",
        shown=40,
    ),
    error=lambda name, reason: bad(f"Invalid input for {name}. Reason: {reason}"),
    missing=lambda name: bad(f"Failed to parse request. Required attribute '{name}' not specified"),
    checks=CHECKS,
)
