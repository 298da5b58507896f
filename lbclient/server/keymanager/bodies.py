"""Checks of request bodies against lists of properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...strings import is_storable
from ..errors import BadRequest

Values = dict[str, Any]


@dataclass(frozen=True)
class Property:
    """A property that a request body may have."""

    name: str
    type: type = str
    is_required: bool = False
    is_nullable: bool = False
    minimum: int = 0  # of a number, or of the length of a text or a list
    maximum: int | None = 255
    choices: tuple[str, ...] = ()


def checked(schema: str, properties: tuple[Property, ...], body: Any) -> Values:
    """Check and return the properties in a body; unknown ones are ignored. Raises BadRequest."""
    if not isinstance(body, dict):
        raise invalid(schema, "it should be an object", "")
    for each in properties:
        if each.is_required and each.name not in body:
            raise invalid(schema, f"'{each.name}' is a required property", "required")
    return {each.name: _value(schema, each, body[each.name]) for each in properties if each.name in body}


def invalid(schema: str, reason: str, name: str) -> BadRequest:
    return BadRequest(f"Provided object does not match schema '{schema}': {reason}. Invalid property: '{name}'")


def _value(schema: str, wanted: Property, value: Any) -> Any:
    if value is None and wanted.is_nullable:
        return None
    why = _what_is_wrong(wanted, value)
    if why:
        raise invalid(schema, why, wanted.name)
    return value.strip() if isinstance(value, str) else value


def _what_is_wrong(wanted: Property, value: Any) -> str | None:
    if TYPES.get(type(value)) != TYPES[wanted.type]:
        return f"{str(value)[:80]!r} is not of type '{TYPES[wanted.type]}'"
    if wanted.choices and value not in wanted.choices:
        return f"{value[:80]!r} is not one of {list(wanted.choices)}"
    if isinstance(value, str) and not is_storable(value):
        return "it contains a character that no text has"
    size, what = (value, "it is") if isinstance(value, int) else (len(value), "its length is")
    if size < wanted.minimum:
        return f"{what} less than the minimum of {wanted.minimum}"
    if wanted.maximum is not None and size > wanted.maximum:
        return f"{what} more than the maximum of {wanted.maximum}"
    return None


TYPES = {str: "string", int: "integer", bool: "boolean", list: "array", dict: "object"}
