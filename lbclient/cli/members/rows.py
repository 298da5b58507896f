"""Members as given in files and options, each with its position for error messages."""

from __future__ import annotations

import csv
import ipaddress
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...client import similar
from ...client.errors import WrongInput, WrongUsage
from ...resources import MEMBER, Api, Field, Type

STDIN = "-"
LIST = "members"  # the key around a list of members, which may be left out
BETWEEN_TAGS = ";"
YES = ("true", "yes", "on", "1")
NO = ("false", "no", "off", "0")
ALIASES = {alias: field.name for field in MEMBER.fields for alias in field.aliases} | {"tag": "tags"}
FIELDS = {field.name: field for field in MEMBER.fields if Api.POST in field.api and field.refers != "project"}
# Attributes in the output of `member list` that cannot be set: they are ignored.
TOLD = {field.name for field in MEMBER.fields} - set(FIELDS)


@dataclass(frozen=True)
class Row:
    """One member as given by the user."""

    place: str  # servers.yaml:3
    values: Mapping[str, Any]  # under the API's names; a subnet by its name or ID


def of_option(number: int, text: str) -> Row:
    """Parse address=…,protocol-port=…; pairs that contain a comma need double quotes. Raises WrongInput."""
    place = f"--member {number}"
    pairs = {}
    try:
        words = next(csv.reader([text]), [])
    except csv.Error:
        raise WrongUsage(f"{place}: it has to be in one line.") from None
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise WrongUsage(f"{place}: {word!r} is not <key>=<value>.")
        pairs[key.strip()] = value
    return _row(place, pairs)


def of_file(name: str) -> list[Row]:
    """Read the members of a file: CSV with a heading line, otherwise YAML or JSON. Raises WrongInput."""
    text = _text(name)
    return checked(_of_csv(name, text) if _is_csv(name, text) else _of_yaml(name, text))


def checked(rows: Iterable[Row]) -> list[Row]:
    """Return the rows as a list. Raises WrongInput if two are about the same member."""
    found = list(rows)
    seen: dict[tuple[Any, ...], str] = {}
    for row in found:
        key = (row.values["address"], row.values["protocol_port"])
        if key in seen:
            raise WrongInput(f"{row.place}: {key[0]} port {key[1]} stands at {seen[key]} already.")
        seen[key] = row.place
    return found


def _is_csv(name: str, text: str) -> bool:
    """Return whether a file is CSV, by its name; for stdin, by headings in its first line."""
    if name != STDIN:
        return name.lower().endswith(".csv")
    headings = {word.strip(" \"'") for word in text.partition("\n")[0].split(",")}
    return headings >= {field.name for field in FIELDS.values() if field.required}


def _text(name: str) -> str:
    try:
        content = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise WrongInput(f"{name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise WrongInput(f"{name} is not valid UTF-8.") from error


def _of_csv(name: str, text: str) -> Iterator[Row]:
    reader = csv.DictReader(text.splitlines())
    for values in reader:
        place = f"{name}:{reader.line_num}"
        if None in values:
            raise WrongInput(f"{place}: more values than headings.")
        yield _row(place, {heading.strip(): value for heading, value in values.items() if value not in (None, "")})


def _of_yaml(name: str, text: str) -> Iterator[Row]:
    import yaml  # imported late: it is slow, and only needed here

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == LIST), node)
        if node is not None and not isinstance(node, yaml.SequenceNode):
            raise WrongInput(f"{name}:{node.start_mark.line + 1}: this should be a list of members.")
        for one in node.value if node is not None else ():
            place = f"{name}:{one.start_mark.line + 1}"
            values = loader.construct_document(one)
            if not isinstance(values, dict):
                raise WrongInput(f"{place}: this should be a member: address, protocol_port and so on.")
            yield _row(place, values)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise WrongInput(f"{where}: {getattr(error, 'problem', None) or 'this is not valid YAML'}.") from error


def _row(place: str, given: Mapping[Any, Any]) -> Row:
    """Return a row with values under the API's names. Raises WrongInput."""
    values = {}
    for word, value in given.items():
        if _name(word) in TOLD:
            continue
        field = _field(place, str(word))
        values[field.name] = _value(place, field, value)
    missing = [field.name for field in FIELDS.values() if field.required and values.get(field.name) is None]
    if missing:
        raise WrongInput(f"{place}: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing.")
    return Row(place, values)


def _field(place: str, word: str) -> Field:
    name = _name(word)
    if name not in FIELDS:
        question = similar.question(similar.closest(name, FIELDS)) or f"It has {', '.join(FIELDS)}."
        raise WrongInput(f"{place}: a member has no {word!r}. {question}")
    return FIELDS[name]


def _name(word: Any) -> str:
    name = str(word).strip().lower().replace("-", "_")
    return ALIASES.get(name, name)


def _value(place: str, field: Field, value: Any) -> Any:
    if value is None and not field.required:
        return None
    try:
        return CONVERSIONS.get(field.type, _text_value)(field, value)
    except ValueError as error:
        raise WrongInput(f"{place}: {field.name}: {value!r} is not {error}.") from error


def _text_value(field: Field, value: Any) -> str:
    if isinstance(value, (dict, list)):
        raise ValueError("a text")
    return str(value)


def _number(field: Field, value: Any) -> int:
    wanted = f"a whole number from {field.minimum} to {field.maximum}"
    try:
        number = int(str(value))
    except ValueError:
        raise ValueError(wanted) from None
    if not (field.minimum or 0) <= number <= (field.maximum or number):
        raise ValueError(wanted)
    return number


def _truth(field: Field, value: Any) -> bool:
    word = str(value).lower()
    if word not in YES + NO:
        raise ValueError("true or false")
    return word in YES


def _address(field: Field, value: Any) -> str:
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise ValueError("an IP address") from None


def _texts(field: Field, value: Any) -> list[str]:
    if isinstance(value, dict):
        raise ValueError("a list of texts")
    return [str(each) for each in value] if isinstance(value, list) else str(value).split(BETWEEN_TAGS)


CONVERSIONS = {
    Type.INTEGER: _number,
    Type.BOOLEAN: _truth,
    Type.ADDRESS: _address,
    Type.STRINGS: _texts,
}
