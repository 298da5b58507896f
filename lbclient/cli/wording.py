"""Help texts of options, generated from fields."""

from __future__ import annotations

from ..resources import Cli, Field, Type

KNOWN_BY = "(name or ID)"
NOTHING: tuple[object, ...] = (None, "", (), {})
NO_LIMIT = 2**31 - 1  # the maximum of the database's column


def given(field: Field, verb: Cli) -> str:
    """Return the help of the option that sets a field or filters by it."""
    if verb is Cli.LIST:
        return f"Filter by {_lower(_named(field))}"
    parts = [_named(field), *_limits(field)]
    parts += ["Can be repeated."] if field.type in (Type.STRINGS, Type.OBJECTS) and field.flag else []
    parts += ["A name or an ID will do."] if field.in_key_manager else []
    parts += ["'none' clears it."] if field.clear_words else []
    return " ".join(parts)


def switched(field: Field, verb: Cli, on: str) -> tuple[str, str]:
    """Return the helps of the two switches of a boolean; `on` is the name of the first."""
    claim = field.help.removeprefix("Whether ").removesuffix(".")
    if verb is Cli.LIST:
        return f"Only where {claim}.", f"Only where it is not as --{on} says."
    default = ("", "")
    if verb is Cli.CREATE:
        default = (" (default)", "") if field.default else ("", " (default)")
    return f"{claim[0].upper()}{claim[1:]}{default[0]}.", f"The opposite of --{on}{default[1]}."


def cleared(field: Field) -> str:
    """Return the help of the switch that clears a field."""
    if field.default not in NOTHING:
        return f"Set back to the default: {_lower(field.help)}"
    article, _, rest = field.help.partition(" ")
    if field.type is Type.STRINGS:
        return f"Clear all: {_lower(field.help)}"
    return f"Clear the {rest}" if article in ("The", "A") else f"Clear it: {_lower(field.help)}"


def span(low: float | None, high: float | None) -> str:
    """Return a range in words; None for an end that is open."""
    if high is None:
        return f"{low} or more"
    return f"{high} or less" if low is None else f"from {low} to {high}"


def _named(field: Field) -> str:
    text = field.help
    if field.refers and field.type is not Type.OBJECTS and KNOWN_BY not in text:
        text = f"{text.removesuffix('.')} {KNOWN_BY}."
    return text


def _limits(field: Field) -> list[str]:
    is_limited = None not in (field.minimum, field.maximum) and field.maximum != NO_LIMIT
    if field.type in (Type.INTEGER, Type.NUMBER) and not field.choices and is_limited:
        return [f"From {field.minimum} to {field.maximum}."]
    if field.type is Type.STRINGS and field.choices:
        return [f"One of {', '.join(field.choices)}."]
    if field.type is Type.MAPPING and field.choices:
        return [f"Keys: {', '.join(_key(field, key) for key in field.choices)}."]
    return []


def _key(field: Field, key: str) -> str:
    choices = dict(field.value_choices).get(key, ())
    return f"{key} ({', '.join(choices)})" if choices else key


def _lower(sentence: str) -> str:
    """Return a sentence with a lower-case first letter, unless it begins with an abbreviation."""
    return sentence if sentence[1:2].isupper() else f"{sentence[0].lower()}{sentence[1:]}"
