"""Parse request bodies of the testing API into checked values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...resources import Resource
from ...resources.testing import FAULT, PACE
from ..errors import BadRequest, InvalidInput, ValidationFailure
from ..loadbalancer import bodies
from .kinds import Kinds

Values = dict[str, Any]
Preset = tuple[tuple[str | None, str | None, float], ...]

SCALE_MAXIMUM = 100.0


def fault(body: Any, kinds: Kinds) -> Values:
    """Return the checked values of a fault. Raises BadRequest."""
    values = _checked(FAULT, body)
    _known("resource", values["resource"], kinds.resources)
    _known("operation", values["operation"], kinds.operations)
    if not any(values[name] is not None for name in ("status", "delay", "drop")):
        raise ValidationFailure("a fault needs one of status, delay and drop.")
    if values["status"] is not None and values["drop"] is not None:
        raise ValidationFailure("a fault has a status or drops the connection, not both.")
    for name, needed in (("message", "status"), ("retry_after", "status"), ("delay_sigma", "delay")):
        if values[name] is not None and values[needed] is None:
            raise ValidationFailure(f"{name} needs {needed}.")
    return values


def pace(body: Any) -> Values:
    """Return the checked values of a pace. Raises BadRequest."""
    values = _checked(PACE, body)
    given = [name for name in ("seconds", "polls", "manual") if values[name]]
    if len(given) > 1:
        raise ValidationFailure(f"a pace has one of seconds, polls and manual, not {' and '.join(given)}.")
    if not given and values["seconds"] is None and values["outcome"] != "ERROR":
        raise ValidationFailure("a pace needs seconds, polls, manual, or the outcome ERROR.")
    if values["reason"] is not None and values["outcome"] != "ERROR":
        raise ValidationFailure("reason needs the outcome ERROR.")
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
        raise InvalidInput("scale", scale, f"Value should be a number above 0, up to {SCALE_MAXIMUM:g}")
    empty = {field.name: field.default for field in PACE.fields}
    return [
        {**empty, "resource": resource, "operation": operation, "seconds": seconds * scale}
        for resource, operation, seconds in presets[given["preset"]]
    ]


def text(name: str, value: Any) -> str | None:
    """Return the value of an optional attribute that is a text. Raises InvalidInput."""
    if value is not None and (not isinstance(value, str) or not value or "\0" in value):
        raise InvalidInput(name, value, "Value should be null or a text without NUL")
    return value


def attributes(body: Any, key: str, known: Collection[str]) -> Values:
    """Return the object under a key, which may have only the known attributes. Raises BadRequest."""
    if not isinstance(body, dict) or set(body) != {key} or not isinstance(body[key], dict):
        raise BadRequest(f'The body should be {{"{key}": {{…}}}}.')
    for name in body[key]:
        _known("attribute", name, known)
    return dict(body[key])


def _checked(resource: Resource, body: Any) -> Values:
    values = bodies.created(resource, body)
    return {name: value for name, value in values.items() if name in {each.name for each in resource.fields}}


def _known(what: str, value: Any, allowed: Collection[str]) -> None:
    if value is not None and (not isinstance(value, str) or value not in allowed):
        raise InvalidInput(what, value, f"Value should be one of: {', '.join(sorted(allowed))}")
