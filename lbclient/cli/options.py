"""Command-line options generated from fields, and the conversion of their arguments into API values."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from typing import Any

from ..client.errors import WrongUsage
from ..client.names import Names
from ..resources import Cli, Field, Resource, Type
from . import wording

Container = Any  # an object with add_argument: a parser or one of its groups

CLEAR_WORDS = ("none", "null", "void")
SHORT_RANGE = 16  # integers with fewer possible values than this are shown as choices
TAG_FILTERS = {
    "tags": ("tags", "all of these tags"),
    "any_tags": ("tags-any", "any of these tags"),
    "not_tags": ("not-tags", "not all of these tags"),
    "not_any_tags": ("not-tags-any", "none of these tags"),
}


def fields_of(resource: Resource, verb: Cli) -> Iterator[Field]:
    """Yield the fields for which a command has options or arguments."""
    return (field for field in resource.fields if verb in field.cli)


def add_fields(parser: argparse.ArgumentParser, resource: Resource, verb: Cli) -> None:
    """Add options (and arguments) for the fields of create, set or list to a parser."""
    groups = _groups(parser, resource, verb)
    for field in fields_of(resource, verb):
        if verb is Cli.CREATE and field.positional:
            parser.add_argument(field.name, metavar=f"<{field.flag}>", help=_help(field, verb))
        else:
            _add_field(groups.get(field.name, parser), field, verb)


def add_unsets(parser: argparse.ArgumentParser, resource: Resource) -> None:
    """Add a switch for every field that can be cleared."""
    for field in fields_of(resource, Cli.UNSET):
        flag = field.unset_flag or _flag(field)
        words = wording.cleared(field).replace("%", "%%")
        parser.add_argument(f"--{flag}", dest=field.name, action="store_const", const=True, help=words)


def flags(resource: Resource, verb: Cli) -> Iterator[str]:
    """Yield the names of the options for the fields of a command."""
    return (f"--{word}" for field in fields_of(resource, verb) for word in _flag(field).split("/"))


def values(resource: Resource, verb: Cli, parsed: argparse.Namespace, names: Names) -> dict[str, Any]:
    """Return the given values in the API's form, in the fields' order, without defaults. Raises WrongUsage."""
    given = ((field, getattr(parsed, field.name)) for field in fields_of(resource, verb))
    return {field.name: _value(field, value, names) for field, value in given if value is not None}


def unsets(resource: Resource, parsed: argparse.Namespace) -> dict[str, None]:
    return {field.name: None for field in fields_of(resource, Cli.UNSET) if getattr(parsed, field.name)}


def add_tags(parser: argparse.ArgumentParser, what: str, verb: Cli) -> None:
    """Add the options that set, add or remove tags."""
    one, none = {
        Cli.CREATE: (f"A tag for the {what}; can be repeated.", "The same as giving no tag."),
        Cli.SET: (
            f"A tag to add to the {what}'s; can be repeated.",
            f"Remove the tags that the {what} has; those that --tag gives stay.",
        ),
        Cli.UNSET: (f"A tag to remove from the {what}; can be repeated.", f"Remove all tags from the {what}."),
    }[verb]
    group: Container = parser if verb is Cli.SET else parser.add_mutually_exclusive_group()
    group.add_argument("--tag", dest="tags", metavar="<tag>", action="append", help=one)
    flag = "--all-tag" if verb is Cli.UNSET else "--no-tag"
    group.add_argument(flag, dest="no_tags", action="store_true", help=none)


def add_tag_filters(parser: argparse.ArgumentParser, what: str) -> None:
    for name, (_, words) in TAG_FILTERS.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="<tag>[,<tag>,...]",
            help=f"Only what has {words}, separated by commas.",
        )


def tag_filters(parsed: argparse.Namespace) -> dict[str, list[str]]:
    return {key: value.split(",") for name, (key, _) in TAG_FILTERS.items() if (value := getattr(parsed, name))}


def changed_tags(parsed: argparse.Namespace, verb: Cli, existing: Callable[[], list[str]]) -> dict[str, list[str]]:
    """Return the tags to store ({} if none were given); existing tags are requested only if needed."""
    named = parsed.tags or []
    if parsed.no_tags:
        return {"tags": list(dict.fromkeys(named))}
    if not named:
        return {}
    if verb is Cli.UNSET:
        return {"tags": [tag for tag in existing() if tag not in named]}
    return {"tags": list(dict.fromkeys([*existing(), *named]))}


def _groups(parser: argparse.ArgumentParser, resource: Resource, verb: Cli) -> dict[str, Container]:
    """Map the names of mutually exclusive fields to their argument group."""
    offered = {field.name for field in fields_of(resource, verb)}
    groups = {}
    for alternatives in resource.alternatives:
        if verb is not Cli.LIST and offered.issuperset(alternatives.names):
            required = alternatives.required and verb is Cli.CREATE
            group = parser.add_mutually_exclusive_group(required=required)
            groups.update(dict.fromkeys(alternatives.names, group))
    return groups


def _add_field(parser: Container, field: Field, verb: Cli) -> None:
    flag = _flag(field)
    if "/" in flag:
        _add_pair(parser, field, flag, verb)
    elif field.type is Type.BOOLEAN:
        parser.add_argument(f"--{flag}", dest=field.name, action="store_const", const=True, help=field.help)
    else:
        parser.add_argument(f"--{flag}", **_described(field, verb))
        for alias in field.aliases:
            parser.add_argument(f"--{alias}", **{**_described(field, verb), "help": argparse.SUPPRESS})


def _add_pair(parser: Container, field: Field, flag: str, verb: Cli) -> None:
    on, off = flag.split("/")
    group = parser.add_mutually_exclusive_group()
    for switch, is_on, words in zip((on, off), (True, False), wording.switched(field, verb, on), strict=True):
        group.add_argument(f"--{switch}", dest=field.name, action="store_const", const=is_on, help=words)


def _described(field: Field, verb: Cli) -> dict[str, Any]:
    """Return the keyword arguments of add_argument for a field."""
    described: dict[str, Any] = {"dest": field.name, "help": _help(field, verb), "type": _conversion(field)}
    if field.required and verb is Cli.CREATE:
        described["required"] = True
    if field.type is Type.STRINGS and field.flag is None:
        described["nargs"] = "*"
    elif field.type in (Type.STRINGS, Type.OBJECTS):
        described["action"] = "append"
    choices = _choices(field)
    if choices:
        described["choices"] = choices
    else:
        described["metavar"] = _metavar(field)
    return described


def _flag(field: Field) -> str:
    return field.flag or field.name.replace("_", "-")


def _help(field: Field, verb: Cli) -> str:
    return wording.given(field, verb).replace("%", "%%")


def _metavar(field: Field) -> str:
    if field.type is Type.OBJECTS:
        return "subnet-id=<subnet>[,ip-address=<IP>]"
    if field.type is Type.MAPPING:
        return "<key>=<value>[,<key>=<value>,...]"
    return f"<{field.refers.replace('_', '-') if field.refers else _flag(field)}>"


def _choices(field: Field) -> list[Any] | None:
    if field.type is Type.CHOICE:
        return list(field.choices)
    if field.type is not Type.INTEGER:
        return None
    if field.choices:
        return [int(choice) for choice in field.choices]
    if field.minimum is not None and field.maximum is not None and field.maximum - field.minimum < SHORT_RANGE:
        return list(range(field.minimum, field.maximum + 1))
    return None


def _conversion(field: Field) -> Callable[[str], Any]:
    if field.type is Type.INTEGER:
        return _whole_number
    if field.type is Type.NUMBER:
        return _number
    if field.type in (Type.MAPPING, Type.OBJECTS):
        return lambda text: _pairs(field, text)
    if field.choices:
        return lambda text: _canonical(field.choices, text)
    return str


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number")
    return number


def _canonical(choices: tuple[str, ...], text: str) -> str:
    """Return the choice that matches in any case; other text is returned unchanged for argparse to check."""
    return {choice.lower(): choice for choice in choices}.get(text.lower(), text)


def _pairs(field: Field, text: str) -> dict[str, str]:
    """Parse key=value,key=value; keys can be in any case, with hyphens or underscores."""
    known = {key.lower().replace("-", "_"): key for key in field.choices}
    pairs = {}
    for word in text.split(","):
        key, sign, value = word.partition("=")
        if not sign or not key:
            raise argparse.ArgumentTypeError(f"'{word}' is not <key>=<value>")
        name = known.get(key.strip().lower().replace("-", "_"))
        if name is None:
            raise argparse.ArgumentTypeError(f"'{key}' is not one of the keys: {', '.join(field.choices)}")
        pairs[name] = _canonical(dict(field.value_choices).get(name, ()), value)
    return pairs


def _value(field: Field, value: Any, names: Names) -> Any:
    if field.clear_words and isinstance(value, str) and value.lower() in CLEAR_WORDS:
        return None
    if field.type in (Type.INTEGER, Type.NUMBER):
        return _in_range(field, value)
    if field.type is Type.OBJECTS:
        return [_object(field, one, names) for one in value]
    find = _look_up(field, names)
    return [find(word) for word in value] if isinstance(value, list) else find(value)


def _look_up(field: Field, names: Names) -> Callable[[Any], Any]:
    """Return the function that turns an argument into an ID, a key manager's reference, or itself."""
    if field.in_key_manager:
        from ..client import keymanager  # imported late: most commands use no certificate

        return lambda word: keymanager.reference(names, word)
    if field.refers is None:
        return lambda word: word
    kind = field.refers
    return lambda word: names.id(kind, word)


def _in_range(field: Field, value: float) -> float:
    low, high = field.minimum, field.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise WrongUsage(f"--{_flag(field)}: {value} is not {wording.span(low, high)}.")
    return value


def _object(field: Field, pairs: dict[str, str], names: Names) -> dict[str, str]:
    key = f"{field.refers}_id"
    if key not in pairs:
        raise WrongUsage(f"--{_flag(field)}: {key.replace('_', '-')}=<name or ID> is missing.")
    return {name: names.id(str(field.refers), value) if name == key else value for name, value in pairs.items()}
