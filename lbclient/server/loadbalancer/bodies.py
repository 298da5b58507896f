"""Parse the body of a request into checked values, each attribute by itself, as its Field defines it."""

from __future__ import annotations

import ipaddress
import math
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ...resources import Api, Field, Resource, Type
from ..errors import BadRequest, InvalidInput

# The names that Octavia's errors give the body, where they are not the resource's name followed by an underscore.
ARGUMENT_NAMES = {
    "loadbalancer": "load_balancer",
    "healthmonitor": "health_monitor_",
    "l7rule": "rule_",
    "flavorprofile": "flavor_profile_",
    "availabilityzone": "availability_zone_",
    "availabilityzoneprofile": "availability_zone_profile_",
}

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
BLANKS_AND_CONTROL_CHARACTERS = re.compile(r"[\x00-\x20\x7f]")

SWITCH = "admin_state_up"  # null means false, as in Octavia, not the default
BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}

Values = dict[str, Any]


def created(resource: Resource, body: Any) -> Values:
    """Return the values of a POST: the given attributes, and the defaults of all others. Raises BadRequest."""
    given = _attributes(resource, body, Api.POST)
    values = {field.name: _default(field) for field in resource.fields if field.stored}
    for field in _writable(resource, Api.POST):
        if given.get(field.name) is not None:
            values[field.name] = check(field, given[field.name])
        elif field.name == SWITCH and field.name in given:
            values[field.name] = False
        elif field.required:
            raise InvalidInput(field.name, None, "Mandatory field missing.")
        elif not field.stored:
            values[field.name] = _default(field)
    return values


def changed(resource: Resource, body: Any) -> Values:
    """Return the values of a PUT: only the given attributes, with null replaced by the default. Raises BadRequest."""
    given = _attributes(resource, body, Api.PUT)
    return {
        field.name: _reset(field) if given[field.name] is None else check(field, given[field.name])
        for field in _writable(resource, Api.PUT)
        if field.name in given
    }


def check(field: Field, value: Any) -> Any:
    """Check one value against its field and return it in its stored form. Raises InvalidInput."""
    return CHECKS[field.type](field, value)


def _attributes(resource: Resource, body: Any, verb: Api) -> Values:
    argument = f"{ARGUMENT_NAMES.get(resource.name, resource.name + '_')}"
    unknown = sorted(set(body) - {resource.key}) if isinstance(body, dict) else ()
    if unknown:
        raise BadRequest(f"Unknown attribute for argument {argument}: {', '.join(unknown)}")
    if not body or not isinstance(body, dict):
        raise InvalidInput(resource.key, None, "Mandatory field missing.")
    attributes = body[resource.key]
    if not isinstance(attributes, dict):
        raise InvalidInput(resource.key, attributes, "It should be an object.")
    attributes = _without_alias(attributes)
    known = {field.name for field in _writable(resource, verb)}
    unknown = sorted(set(attributes) - known)
    if unknown:
        raise BadRequest(f"Unknown attribute for argument {argument}.{resource.key}: {', '.join(unknown)}")
    return attributes


def _without_alias(attributes: Values) -> Values:
    """Rename tenant_id, the former name of project_id; if both are given, tenant_id wins."""
    if "tenant_id" not in attributes:
        return attributes
    return {**{key: attributes[key] for key in attributes if key != "tenant_id"}, "project_id": attributes["tenant_id"]}


def _writable(resource: Resource, verb: Api) -> tuple[Field, ...]:
    return resource.creatable if verb is Api.POST else resource.changeable


def _default(field: Field) -> Any:
    return list(field.default) if isinstance(field.default, tuple) else field.default


def _reset(field: Field) -> Any:
    if field.name == SWITCH:
        return False
    if not field.null_means_default:
        raise InvalidInput(field.name, None, "It cannot be null.")
    return _default(field)


def _string(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(field.name, value, f"Wrong type. Expected a string, got {_kind(value)}.")
    if len(value) > field.length:
        raise InvalidInput(field.name, value, f"Value should have a maximum character requirement of {field.length}")
    if CONTROL_CHARACTERS.search(value) or not _is_encodable(value):
        raise InvalidInput(field.name, _readable(value), "Value should not contain control characters.")
    if field.pattern and not re.fullmatch(field.pattern, value):
        raise InvalidInput(field.name, _readable(value), f"Value should match the pattern {field.pattern}")
    return value


def _integer(field: Field, value: Any) -> int:
    if not isinstance(value, (int, float, str)):
        raise InvalidInput(field.name, value, f"Wrong type. Expected an integer, got {_kind(value)}.")
    if isinstance(value, str) and not re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value):
        raise InvalidInput(field.name, _readable(value), "Value should be an integer.")
    number = int(value)
    if field.choices and str(number) not in field.choices:
        raise InvalidInput(field.name, number, f"Value should be one of: {', '.join(field.choices)}")
    if field.minimum is not None and number < field.minimum:
        raise InvalidInput(field.name, number, f"Value should be greater or equal to {field.minimum}")
    if field.maximum is not None and number > field.maximum:
        raise InvalidInput(field.name, number, f"Value should be lower or equal to {field.maximum}")
    return number


def _number(field: Field, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InvalidInput(field.name, value, f"Wrong type. Expected a number, got {_kind(value)}.")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise InvalidInput(field.name, _readable(str(value)), "Value should be a number.") from None
    low = -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    if not low <= number <= high:
        raise InvalidInput(field.name, number, f"Value should be from {low} to {high}")
    return number


def is_true(text: str) -> bool:
    """Parse a boolean of the query string; as in Octavia, any unknown word means false."""
    return BOOLEANS.get(text.strip().lower(), False)


def _boolean(field: Field, value: Any) -> bool:
    if isinstance(value, int):
        return bool(value)
    if isinstance(value, str) and value in BOOLEANS:
        return BOOLEANS[value]
    raise InvalidInput(field.name, _readable(str(value)), f"Value not an unambiguous boolean: {_readable(str(value))}")


def _choice(field: Field, value: Any) -> str:
    if field.as_number and isinstance(value, (int, float, str)):
        value = _decimal(value)
    if not isinstance(value, str) or value not in field.choices:
        raise InvalidInput(field.name, _readable(str(value)), f"Value should be one of: {', '.join(field.choices)}")
    return value


def _decimal(value: int | float | str) -> str:
    """Return "1.0" for 1, true and "1": python-octaviaclient sends http_version as a number."""
    try:
        return str(float(value))
    except ValueError:
        return str(value)


def _uuid(field: Field, value: Any) -> str:
    try:
        if isinstance(value, str):
            return str(uuid.UUID(value))
    except ValueError:
        pass
    raise InvalidInput(field.name, _readable(str(value)), "Value should be UUID format")


def _address(field: Field, value: Any) -> str:
    try:
        if isinstance(value, str) and "%" not in value:
            ipaddress.ip_address(value)
            return value
    except ValueError:
        pass
    raise InvalidInput(field.name, _readable(str(value)), "Value should be IPv4 or IPv6 format")


def _url(field: Field, value: Any) -> str:
    text = _string(field, value)
    try:
        parts = urlsplit(text)
        is_good = text.startswith(("http://", "https://")) and bool(parts.hostname) and (parts.port or 1) > 0
        is_good = is_good and parts.netloc.isascii()
    except ValueError:
        is_good = False
    if not is_good or BLANKS_AND_CONTROL_CHARACTERS.search(text):
        raise InvalidInput(field.name, text, "Value must be a valid URL: http:// or https://, a host, no blanks.")
    return text


def _strings(field: Field, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise InvalidInput(field.name, value, f"Wrong type. Expected a list of strings, got {_kind(value)}.")
    strings = [_uuid(field, element) if field.refers else _string(field, element) for element in value]
    for element in strings:
        if field.choices and element not in field.choices:
            raise InvalidInput(field.name, element, f"Value should be one of: {', '.join(field.choices)}")
    return list(dict.fromkeys(strings))


def _mapping(field: Field, value: Any) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise InvalidInput(field.name, value, f"Wrong type. Expected an object, got {_kind(value)}.")
    for key in value:
        if key not in field.choices:
            raise InvalidInput(field.name, _readable(key), f"Value should be one of: {', '.join(field.choices)}")
    return {key: element if element is None else _text(field, element) for key, element in value.items()}


def _text(field: Field, value: Any) -> str:
    return _string(field, str(value) if isinstance(value, int) else value)


def _objects(field: Field, value: Any) -> list[Values]:
    if not isinstance(value, list) or not all(isinstance(element, dict) for element in value):
        raise InvalidInput(field.name, value, f"Wrong type. Expected a list of objects, got {_kind(value)}.")
    return value


def _is_encodable(value: str) -> bool:
    """Whether a string can be stored: JSON can carry half of a surrogate pair, a database cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _readable(value: str) -> str:
    return value.encode("unicode_escape").decode() if CONTROL_CHARACTERS.search(value) else value


def _kind(value: Any) -> str:
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null")


CHECKS: dict[Type, Callable[[Field, Any], Any]] = {
    Type.STRING: _string,
    Type.INTEGER: _integer,
    Type.NUMBER: _number,
    Type.BOOLEAN: _boolean,
    Type.CHOICE: _choice,
    Type.UUID: _uuid,
    Type.ADDRESS: _address,
    Type.URL: _url,
    Type.STRINGS: _strings,
    Type.MAPPING: _mapping,
    Type.OBJECTS: _objects,
}
