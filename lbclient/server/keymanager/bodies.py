"""Checks of request bodies, with Barbican's error texts."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..attributes import Attribute, Checker, Values, Wording
from ..errors import BadRequest

WORDING = Wording(
    wrong_type="{short!r} is not of type '{type}'",
    unstorable="it contains a character that no text has",
    too_long="its length is more than the maximum of {limit}",
    too_short="its length is less than the minimum of {limit}",
    not_a_choice="{short!r} is not one of {choices}",
    too_small="it is less than the minimum of {limit}",
    too_large="it is more than the maximum of {limit}",
)


def checked(schema: str, attributes: tuple[Attribute, ...], body: Any) -> Values:
    """Check and return the attributes in a body, without blanks around texts; unknown ones are ignored.

    Raises BadRequest.
    """
    if not isinstance(body, dict):
        raise invalid(schema, "it should be an object", "")
    values = _checker(schema).values(attributes, body)
    return {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}


def invalid(schema: str, reason: str, name: str) -> BadRequest:
    return BadRequest(f"Provided object does not match schema '{schema}': {reason}. Invalid property: '{name}'")


@lru_cache
def _checker(schema: str) -> Checker:
    return Checker(
        WORDING,
        error=lambda name, reason: invalid(schema, reason, name),
        missing=lambda name: invalid(schema, f"'{name}' is a required property", "required"),
    )
