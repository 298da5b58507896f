"""Completion candidates: words of commands, options, choices, and the names of objects in the cloud."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...client import clouds
from ...client.names import KINDS
from ...resources import Field, Resource, Type
from .cursor import Cursor
from .existing import Candidate, names_of

FILES = ("<file>", "<cacert>", "<cert>", "<policy-file>", "<config-file>", "<state-directory>", "<haproxy>")
COLUMN_OPTIONS = ("columns", "sort_columns")


@dataclass(frozen=True)
class Answer:
    """What a shell is to offer."""

    candidates: Sequence[Candidate] = ()
    wants_files: bool = False


def at(place: Cursor) -> Answer:
    """Return the candidates at the cursor that match what has been typed."""
    if any(action.metavar in FILES or action.nargs == argparse.REMAINDER for action in place.takes):
        return Answer(wants_files=True)
    found = [] if place.prefix else [*_commands(place), *_options(place)]
    for action in place.takes:
        found += _values(place, action)
    fitting = {each.word: each for each in found if each.word.lower().startswith(place.current.lower())}
    exact = [each for each in fitting.values() if each.word.startswith(place.current)]
    return Answer(exact or list(fitting.values()))


def _commands(place: Cursor) -> Iterator[Candidate]:
    """Yield the next words of commands that begin with the typed ones."""
    is_help = any(action.dest == "cmd" for action in place.takes)
    if place.is_value or (place.command is not None and not is_help):
        return
    words = tuple(place.given.get("cmd", ())) if is_help else place.group
    for name, entry_point in place.app.command_manager:
        parts = tuple(name.split())
        if parts[: len(words)] == words and len(parts) > len(words):
            is_last = len(parts) == len(words) + 1
            is_explained = is_last and place.wants_meanings and parts[-1].startswith(place.current)
            yield Candidate(parts[len(words)], _first_sentence(entry_point) if is_explained else "")


def _first_sentence(entry_point: Any) -> str:
    try:
        doc = entry_point.load().__doc__ or ""
    except ImportError:  # the extra that it needs is not installed
        return ""
    return str(doc.strip().split("\n")[0])


def _options(place: Cursor) -> Iterator[Candidate]:
    if not place.is_option:
        return
    own = set(place.parser._option_string_actions) if place.parser else set(place.app.parser._option_string_actions)
    wants_all = len(place.current) > len("--")
    seen = set()
    for name, action in sorted(place.options.items(), key=lambda item: -len(item[0])):
        is_here = name in own or wants_all
        if is_here and name.startswith(place.current) and id(action) not in seen and _is_free(place, action):
            seen.add(id(action))
            yield Candidate(name, _meaning(action))


def _is_free(place: Cursor, action: argparse.Action) -> bool:
    """Return whether the option can still be given, or given again."""
    if action.help == argparse.SUPPRESS:
        return False
    parsers = [parser for parser in (place.parser, place.app.parser) if parser]
    groups = [group for parser in parsers for group in parser._mutually_exclusive_groups]
    rivals = [other for group in groups if action in group._group_actions for other in group._group_actions]
    if any(other.dest in place.given for other in rivals):
        return False
    return action.dest not in place.given or isinstance(action, argparse._AppendAction)


def _meaning(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def _values(place: Cursor, action: argparse.Action) -> list[Candidate]:
    """Return the values of an option or argument, prefixed with the option if the word is --option=value."""
    resource: Resource | None = getattr(place.command, "resource", None)
    field = resource[action.dest] if resource and action.dest in resource else None
    if action.choices is not None:
        return [Candidate(f"{place.prefix}{choice}") for choice in action.choices]
    if action.dest in COLUMN_OPTIONS:
        return [Candidate(f"{place.prefix}{name}") for name in _columns(place.command)]
    if action.dest == "os_cloud":
        return [Candidate(f"{place.prefix}{name}") for name in clouds.names(os.environ)]
    if field and field.type in (Type.MAPPING, Type.OBJECTS):
        return _pairs(place, field)
    if field and field.type is Type.STRINGS and field.choices:
        return [Candidate(f"{place.prefix}{choice}") for choice in field.choices]
    kind = _kind(action, resource)
    return _existing(place, kind) if kind else []


def _columns(command: Any) -> Iterable[str]:
    resource: Resource | None = getattr(command, "resource", None)
    if resource:
        return resource.columns if hasattr(command, "columns") else resource.rows
    thing = getattr(command, "thing", None)
    if thing is None:
        return ()
    return [column.heading for column in thing.columns] if hasattr(command, "filters") else thing.rows


def _pairs(place: Cursor, field: Field) -> list[Candidate]:
    """Return the keys of key=value,key=value, or the values of a key."""
    done, comma, last = place.value.rpartition(",")
    key, sign, _ = last.partition("=")
    front = f"{place.prefix}{done}{comma}"
    if not sign:
        return [Candidate(f"{front}{name.replace('_', '-')}=", is_whole=False) for name in field.choices]
    name = key.replace("-", "_")
    if field.refers and name == f"{field.refers}_id":
        return [
            Candidate(f"{front}{key}={each.word}", each.meaning) for each in names_of(place, field.refers) if each.word
        ]
    choices = {one.replace("-", "_"): values for one, values in field.value_choices}.get(name, ())
    return [Candidate(f"{front}{key}={value}") for value in choices]


def _kind(action: argparse.Action, resource: Resource | None) -> str | None:
    """Return the kind of object that an argument names: the metavar between < and >, or the command's resource."""
    word = str(action.metavar or "").strip("<>").replace("-", "_")
    named = next((kind for kind in (word, word.replace("_", "")) if kind in KINDS), None)
    is_target = resource is not None and action.dest == "target" and not action.option_strings
    return resource.name if resource and is_target and not named else named


def _existing(place: Cursor, kind: str) -> list[Candidate]:
    given = {word for words in place.given.values() for word in words}
    found = [each for each in names_of(place, kind) if each.word not in given or place.takes[0].option_strings]
    if place.prefix:
        return [Candidate(f"{place.prefix}{each.word}", each.meaning) for each in found]
    # argparse would parse a word that begins with a dash as an option.
    return [each for each in found if place.is_behind_dashes or not each.word.startswith("-")]
