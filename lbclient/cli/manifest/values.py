"""Values in a file: each is checked by its Field, and errors say what is allowed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import yaml

from ...client import similar
from ...resources import Field, Type
from ..wording import span

TAG = "tag:yaml.org,2002:"
MERGE = f"{TAG}merge"
BLANKS_AND_CONTROL_CHARACTERS = re.compile(r"[\x00-\x20\x7f]")
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
SHOWN_AT_MOST = 60  # characters of a wrong value in a message
ARTICLES = {"mapping": "a mapping", "sequence": "a list", "scalar": "a single value"}


class InvalidValue(Exception):
    """An invalid value; the text says what is allowed, and the node gives the position."""

    def __init__(self, node: yaml.Node, words: str) -> None:
        super().__init__(words)
        self.node = node


def read(each: Field, node: yaml.Node) -> Any:
    """Return the value of a field; None for null. Raises Wrong."""
    if is_null(node):
        if each.required:
            raise InvalidValue(node, "it cannot be null")
        return None
    return READERS[each.type](each, node)


def is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and str(node.tag) == f"{TAG}null"


def text(node: yaml.Node) -> str:
    """Return a scalar as written, without YAML's types: 1.10 and yes are text. Raises Wrong."""
    if not isinstance(node, yaml.ScalarNode):
        raise InvalidValue(node, f"it should be a single value, not {kind(node)}")
    return str(node.value)


def pairs(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise InvalidValue(node, f"it should be a mapping (key: value), not {kind(node)}")
    return list(node.value)


def elements(node: yaml.Node) -> list[yaml.Node]:
    if not isinstance(node, yaml.SequenceNode):
        raise InvalidValue(node, f"it should be a list, not {kind(node)}")
    return list(node.value)


def kind(node: yaml.Node) -> str:
    shape: Any = node
    return "null" if is_null(node) else ARTICLES[shape.id]


def shown(value: str) -> str:
    """Return a wrong value in quotes, shortened."""
    return repr(value if len(value) <= SHOWN_AT_MOST else f"{value[:SHOWN_AT_MOST]}…")


def meant(word: str, known: Iterable[str]) -> str:
    """Return ". Did you mean …?" if a similar word is known, otherwise an empty text."""
    question = similar.question(similar.closest(word, known))
    return f". {question}" if question else ""


def _string(each: Field, node: yaml.Node) -> str:
    value = text(node)
    if len(value) > each.length:
        raise InvalidValue(node, f"it has {len(value)} characters; at most {each.length} are allowed")
    if CONTROL_CHARACTERS.search(value):
        raise InvalidValue(node, f"{shown(value)} contains control characters")
    if each.choices and each.type is not Type.STRING:
        return _choice(each.choices, node)
    if each.pattern and not re.fullmatch(each.pattern, value):
        raise InvalidValue(node, f"{shown(value)} does not match {each.pattern}. {each.help}")
    return value


def _choice(choices: tuple[str, ...], node: yaml.Node) -> str:
    """Return the choice that matches in any case."""
    value = text(node)
    found = {choice.lower(): choice for choice in choices}.get(value.lower())
    if found is None:
        raise InvalidValue(node, f"{shown(value)} is none of {', '.join(choices)}{meant(value, choices)}")
    return found


def _integer(each: Field, node: yaml.Node) -> int:
    value = text(node)
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise InvalidValue(node, f"{shown(value)} is not a whole number")
    if each.choices:
        return int(_choice(each.choices, node))
    number, low, high = int(value), each.minimum, each.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        raise InvalidValue(node, f"{number} is not {span(low, high)}")
    return number


def _boolean(each: Field, node: yaml.Node) -> bool:
    value = text(node)
    if str(node.tag) != f"{TAG}bool":
        raise InvalidValue(node, f"{shown(value)} is neither true nor false")
    return value.lower() in ("true", "yes", "on", "y")


def _address(each: Field, node: yaml.Node) -> str:
    value = text(node)
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise InvalidValue(node, f"{shown(value)} is no IPv4 or IPv6 address") from None
    return value


def _url(each: Field, node: yaml.Node) -> str:
    value = _string(each, node)
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    if not is_good or BLANKS_AND_CONTROL_CHARACTERS.search(value):
        raise InvalidValue(node, f"{shown(value)} is no URL: http:// or https://, a host, no blanks")
    return value


def _word(each: Field, node: yaml.Node) -> str:
    """Return a name or an ID."""
    value = _string(each, node)
    if not value:
        raise InvalidValue(node, "it should be a name or an ID")
    return value


def _strings(each: Field, node: yaml.Node) -> list[str]:
    read_one = _word if each.refers or each.in_key_manager else _string
    return list(dict.fromkeys(read_one(each, one) for one in elements(node)))


def _mapping(each: Field, node: yaml.Node) -> dict[str, str]:
    choices = dict(each.value_choices)
    found = {}
    for key, one in pairs(node):
        name = _choice(each.choices, key)
        if is_null(one):
            continue
        if str(one.tag) == f"{TAG}bool":
            found[name] = str(_boolean(each, one)).lower()
        else:
            found[name] = _choice(choices[name], one) if name in choices else text(one)
    return found


def _objects(each: Field, node: yaml.Node) -> list[dict[str, str]]:
    found = []
    for one in elements(node):
        values = {_choice(each.choices, key): text(value) for key, value in pairs(one)}
        if each.refers and f"{each.refers}_id" not in values:
            raise InvalidValue(one, f"{each.refers}_id is missing")
        found.append(values)
    return found


READERS: dict[Type, Callable[[Field, yaml.Node], Any]] = {
    Type.STRING: _string,
    Type.INTEGER: _integer,
    Type.BOOLEAN: _boolean,
    Type.CHOICE: lambda each, node: _choice(each.choices, node),
    Type.UUID: _word,
    Type.ADDRESS: _address,
    Type.URL: _url,
    Type.STRINGS: _strings,
    Type.MAPPING: _mapping,
    Type.OBJECTS: _objects,
}
