"""Parse request bodies of the testing API into checked values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from ...resources import Api, Field, Resource, Type
from ...resources.testing import FAULT, PACE, SCALE_MAXIMUM
from ..errors import InvalidInput, ValidationFailure
from ..loadbalancer import bodies
from .kinds import Kinds

Values = dict[str, Any]
Preset = tuple[tuple[str | None, str | None, float], ...]

LONGEST_SHOWN = 200  # characters of a value in an error


def fault(body: Any, kinds: Kinds) -> Values:
    """Return the checked values of a fault. Raises BadRequest."""
    values = _checked(FAULT, body)
    _known("resource", values["resource"], kinds.resources)
    _known("operation", values["operation"], kinds.operations)
    if values["path"] == "":
        raise invalid("path", "", "Value should be a path, or a pattern such as */listeners")
    if not any(values[name] is not None for name in ("status", "delay", "drop")):
        raise ValidationFailure("a fault needs one of status, delay and drop.")
    if values["status"] is not None and values["drop"] is not None:
        raise invalid("drop", values["drop"], f"Value should be null if there is a status ({values['status']})")
    for name, needed in (("message", "status"), ("retry_after", "status"), ("delay_sigma", "delay")):
        if values[name] is not None and values[needed] is None:
            raise invalid(name, values[name], f"Value should be null if there is no {needed}")
    return values


def pace(body: Any) -> Values:
    """Return the checked values of a pace. Raises BadRequest."""
    values = _checked(PACE, body)
    given = [name for name in ("seconds", "polls", "manual") if values[name]]
    if len(given) > 1:
        why = f"a pace has one of seconds, polls and manual, not {' and '.join(given)}"
        raise invalid(given[1], values[given[1]], f"Value should be null if there is {given[0]}: {why}")
    if not given and values["seconds"] is None and values["outcome"] != "ERROR":
        raise ValidationFailure("a pace needs seconds, polls, manual, or the outcome ERROR.")
    if values["reason"] is not None and values["outcome"] != "ERROR":
        raise invalid("reason", values["reason"], "Value should be null unless the outcome is ERROR")
    return values


def preset(body: Any, presets: Mapping[str, Preset]) -> list[Values] | None:
    """Return the values of all paces of a preset, {"pace": {"preset": name, "scale": factor}}; None for other bodies.

    Raises BadRequest.
    """
    inner = body.get(PACE.key) if isinstance(body, dict) else None
    if not isinstance(inner, dict) or "preset" not in inner:
        return None
    given = attributes(body, PACE.key, ("preset", "scale"))
    _known("preset", given["preset"], presets)
    scale = given.get("scale", 1.0)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale <= SCALE_MAXIMUM:
        raise invalid("scale", scale, f"Value should be a number above 0, up to {SCALE_MAXIMUM:g}")
    empty = {field.name: field.default for field in PACE.fields}
    return [
        {**empty, "resource": resource, "operation": operation, "seconds": seconds * scale}
        for resource, operation, seconds in presets[given["preset"]]
    ]


def text(name: str, value: Any) -> str | None:
    """Return the value of an optional attribute that is a text. Raises InvalidInput."""
    if value is not None and (not isinstance(value, str) or not value or "\0" in value):
        raise invalid(name, value, "Value should be null or a text without NUL")
    return value


def attributes(body: Any, key: str, known: Collection[str]) -> Values:
    """Return the object under a key, which may have only the known attributes. Raises InvalidInput."""
    if not isinstance(body, dict) or not body:
        raise invalid("body", body, f'Value should be {{"{key}": {{…}}}}')
    for name, value in body.items():
        if name != key:
            raise invalid(name, value, f"The body should have one attribute: {key}")
    if not isinstance(body[key], dict):
        raise invalid(key, body[key], f"Value should be an object; its attributes are: {', '.join(known)}")
    for name, value in body[key].items():
        if name not in known:
            raise invalid(name, value, f"The attributes of {key} are: {', '.join(known)}")
    return dict(body[key])


def nothing(body: Any) -> None:
    """Raise InvalidInput unless the body is empty."""
    if body not in (None, {}):
        raise invalid("body", body, "This path takes no body")


def invalid(name: str, value: Any, allowed: str) -> InvalidInput:
    """Return the error for a value, which is shown as JSON unless it is a text."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return InvalidInput(name, text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…", allowed)


def _checked(resource: Resource, body: Any) -> Values:
    given = attributes(body, resource.key, [each.name for each in resource.fields if Api.POST in each.api])
    for each in resource.fields:
        _check_strictly(each, given.get(each.name))
    values = bodies.created(resource, {resource.key: given})
    return {each.name: values[each.name] for each in resource.fields if each.name in values}


def _check_strictly(field: Field, value: Any) -> None:
    """Raise InvalidInput for values that the load-balancer API would round or take for a boolean, as Octavia does."""
    if field.type is Type.INTEGER and (isinstance(value, bool) or (isinstance(value, float) and value % 1)):
        raise invalid(field.name, value, "Value should be an integer")
    if field.type is Type.BOOLEAN and value not in (None, True, False):
        raise invalid(field.name, value, "Value should be true or false")


def _known(what: str, value: Any, allowed: Collection[str]) -> None:
    if value is not None and (not isinstance(value, str) or value not in allowed):
        raise invalid(what, value, f"Value should be one of: {', '.join(sorted(allowed))}")
