"""Parsing of a command line up to the cursor: a command's words, an option, an option's value, or an argument."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..program import Shell

if TYPE_CHECKING:
    from cliff.command import Command  # which imports what takes longer than the completion, unless deferred

REST = ("*", "+", argparse.REMAINDER)


@dataclass
class Cursor:
    """The word at the cursor, and what the words before it determine."""

    current: str
    app: Shell
    command: Command | None = None
    parser: argparse.ArgumentParser | None = None
    group: tuple[str, ...] = ()  # the words of an incomplete command
    given: dict[str, list[str]] = field(default_factory=dict)  # dest -> its words
    takes: list[argparse.Action] = field(default_factory=list)  # the options or arguments whose value the word can be
    is_option: bool = False  # the word can be the name of an option
    is_value: bool = False  # the word must be the value of an option
    is_behind_dashes: bool = False
    prefix: str = ""  # the text --option= before the value
    wants_meanings: bool = True  # whether the shell shows descriptions; those of commands require loading them

    @property
    def value(self) -> str:
        """Return the word without its --option= prefix."""
        return self.current[len(self.prefix) :]

    @property
    def options(self) -> dict[str, argparse.Action]:
        """Return all options that are valid here, including the program's global options."""
        own = _options(self.parser) if self.parser else {}
        return {**_options(self.app.parser), **own}


def find(words: Sequence[str], *, wants_meanings: bool = True) -> Cursor:
    """Return the cursor at the last of these words, which follow the program's name."""
    *before, current = words or [""]
    app = Shell(list(before))
    place = Cursor(current, app, wants_meanings=wants_meanings)
    pending = _go(place, iter(before))
    _look_at_current(place, pending)
    app.options = _parsed(app.parser, place)
    return place


def _go(place: Cursor, words: Iterator[str]) -> list[argparse.Action]:
    """Parse the words before the cursor; return the options that still need a value."""
    waiting: list[argparse.Action] = []
    positionals: list[str] = []
    for word in words:
        if place.is_behind_dashes or not _is_option(word):
            if waiting and waiting[0].nargs != argparse.OPTIONAL:
                place.given.setdefault(waiting[0].dest, []).append(word)
                waiting = waiting if waiting[0].nargs in REST else []
            elif place.command is None:
                place.group = (*place.group, word)
                _choose(place)
            else:
                waiting = []
                positionals.append(word)
        elif word == "--":
            place.is_behind_dashes, waiting = True, []
        else:
            waiting = _take_option(place, word)
    place.takes = _arguments(place, positionals)
    return waiting


def _choose(place: Cursor) -> None:
    """Set the command if the words name one and no longer command begins with them."""
    name = " ".join(place.group)
    names = [each for each, _ in place.app.command_manager]
    if name in names and not any(each.startswith(f"{name} ") for each in names):
        place.command, place.parser = make(place.app, name)


def make(app: Shell, name: str) -> tuple[Command, argparse.ArgumentParser]:
    """Create a command and its parser."""
    chosen, _, _ = app.command_manager.find_command(name.split())
    command = chosen(app, argparse.Namespace())
    return command, command.get_parser(f"{app.NAME} {name}")


def _take_option(place: Cursor, word: str) -> list[argparse.Action]:
    name, sign, value = word.partition("=")
    action = _named(place.options, name)
    if action is None:
        return []
    values = place.given.setdefault(action.dest, [])
    if sign:
        values.append(value)
    elif action.nargs != 0:
        return [action]
    return []


def _arguments(place: Cursor, words: Sequence[str]) -> list[argparse.Action]:
    """Assign the words to the command's arguments; return the next argument."""
    actions = [action for action in (place.parser._actions if place.parser else ()) if not action.option_strings]
    left = list(words)
    for action in actions:
        count = len(left) if action.nargs in REST else 1
        place.given.setdefault(action.dest, []).extend(left[:count])
        if not left or action.nargs in REST:
            return [action]
        del left[:count]
    return []


def _look_at_current(place: Cursor, waiting: list[argparse.Action]) -> None:
    is_optional = bool(waiting) and waiting[0].nargs in (*REST, argparse.OPTIONAL)
    if waiting and not (is_optional and _is_option(place.current)):
        place.takes = [*waiting, *(place.takes if is_optional else [])]
        place.is_value = not is_optional
    elif not place.is_behind_dashes and place.current.startswith("-"):
        name, sign, _ = place.current.partition("=")
        action = _named(place.options, name) if sign else None
        place.takes, place.is_option = ([action] if action else []), not sign
        place.prefix = f"{name}=" if sign else ""


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and not word[1:].isdigit()


def _named(options: dict[str, argparse.Action], name: str) -> argparse.Action | None:
    """Return the option of this name, or the only one that begins with it."""
    if name in options:
        return options[name]
    found = {id(action): action for each, action in options.items() if name[:2] == "--" and each.startswith(name)}
    return next(iter(found.values())) if len(found) == 1 else None


def _options(parser: Any) -> dict[str, argparse.Action]:
    return dict(parser._option_string_actions)


def _parsed(parser: argparse.ArgumentParser, place: Cursor) -> argparse.Namespace:
    """Return the program's global options that have been typed so far."""
    words = []
    for action in {id(each): each for each in _options(parser).values()}.values():
        if action.dest.startswith("os_"):
            words += [f"{action.option_strings[0]}={value}" for value in place.given.get(action.dest, ())]
        elif action.nargs == 0 and action.dest in ("insecure", "verify") and action.dest in place.given:
            words.append(action.option_strings[0])
    return parser.parse_known_args(words)[0]
