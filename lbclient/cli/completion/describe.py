"""Descriptions of commands and of the program for completion, from their parsers and resources."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...client.names import KINDS
from ...resources import Field, Resource, Type
from ..program import Shell
from .described import CLOUD, Action, Described

FILES = ("<file>", "<cacert>", "<cert>", "<policy-file>", "<config-file>", "<state-directory>", "<haproxy>")
COLUMN_OPTIONS = ("columns", "sort_columns")


def commands() -> list[str]:
    """Return the names of all commands."""
    return [name for name, _ in Shell([]).command_manager]


def meanings() -> dict[str, str]:
    """Return the first sentence about each command; this loads all of them."""
    return {name: _first_sentence(entry_point) for name, entry_point in Shell([]).command_manager}


def program(argv: Sequence[str]) -> Described:
    """Return the program's global options; some are only there if the command line has one of them."""
    return Described(list(_actions(Shell(argv).parser, None)))


def command(name: str) -> Described:
    """Return the options and arguments of a command."""
    app = Shell([])
    chosen, _, _ = app.command_manager.find_command(name.split())
    made = chosen(app, argparse.Namespace())
    return Described(list(_actions(made.get_parser(f"{app.NAME} {name}"), made)))


def _first_sentence(entry_point: Any) -> str:
    try:
        doc = entry_point.load().__doc__ or ""
    except ImportError:  # the extra that it needs is not installed
        return ""
    return str(doc.strip().split("\n")[0])


def _actions(parser: argparse.ArgumentParser, command: Any) -> Iterator[Action]:
    groups = [group._group_actions for group in parser._mutually_exclusive_groups]
    for each in parser._actions:
        rivals = [other.dest for group in groups if each in group for other in group]
        yield _action(each, rivals, command)


def _action(each: argparse.Action, rivals: list[str], command: Any) -> Action:
    action = Action(each.dest)
    action.names = list(each.option_strings)
    action.nargs = "" if each.nargs is None else str(each.nargs)
    action.rivals = rivals
    action.is_hidden = each.help == argparse.SUPPRESS
    action.meaning = "" if action.is_hidden else " ".join((each.help or "").replace("%%", "%").split())
    action.is_repeatable = isinstance(each, argparse._AppendAction)
    action.wants_files = each.metavar in FILES or each.nargs == argparse.REMAINDER
    _describe_values(action, each, command)
    return action


def _describe_values(action: Action, each: argparse.Action, command: Any) -> None:
    """Set what the action takes: words, key=value, or names of objects."""
    resource: Resource | None = getattr(command, "resource", None)
    field = resource[each.dest] if resource and each.dest in resource else None
    if each.choices is not None:
        action.values = [str(choice) for choice in each.choices]
    elif each.dest in COLUMN_OPTIONS:
        action.values = list(_columns(command))
    elif each.dest == CLOUD:
        action.kind = CLOUD
    elif field and field.type in (Type.MAPPING, Type.OBJECTS):
        _describe_pairs(action, field)
    elif field and field.type is Type.STRINGS and field.choices:
        action.values = [str(choice) for choice in field.choices]
    else:
        action.kind = _kind(each, resource)


def _columns(command: Any) -> Iterable[str]:
    resource: Resource | None = getattr(command, "resource", None)
    if resource:
        return resource.columns if hasattr(command, "columns") else resource.rows
    thing = getattr(command, "thing", None)
    if thing is None:
        return ()
    return [column.heading for column in thing.columns] if hasattr(command, "filters") else thing.rows


def _describe_pairs(action: Action, field: Field) -> None:
    action.keys = [str(name).replace("_", "-") for name in field.choices]
    action.refers = field.refers or ""
    action.key_values = [
        f"{name.replace('_', '-')}={value}" for name, values in field.value_choices for value in values
    ]


def _kind(each: argparse.Action, resource: Resource | None) -> str:
    """Return the kind of object that an argument names: the metavar between < and >, or the command's resource."""
    word = str(each.metavar or "").strip("<>").replace("-", "_")
    named = next((kind for kind in (word, word.replace("_", "")) if kind in KINDS), "")
    is_target = resource is not None and each.dest == "target" and not each.option_strings
    return resource.name if resource and is_target and not named else named
