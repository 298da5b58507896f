"""Parsing of a command line up to the cursor: a command's words, an option, an option's value, or an argument."""

from __future__ import annotations

from .described import OPTIONAL, REST, Action, Described
from .kept import Kept

TYPE_CHECKING = False  # instead of typing's, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Cursor:
    """The word at the cursor, and what the words before it determine."""

    def __init__(self, words: Sequence[str], *, wants_meanings: bool = True) -> None:
        *self.before, self.current = words or [""]
        self.wants_meanings = wants_meanings  # whether the shell shows descriptions
        self.kept = Kept()
        self.program = self.kept.program(self.before)
        self.command: Described | None = None
        self.group: tuple[str, ...] = ()  # the words of an incomplete command
        self.given: dict[str, list[str]] = {}  # dest -> its words
        self.takes: list[Action] = []  # the options or arguments whose value the word can be
        self.is_option = False  # the word can be the name of an option
        self.is_value = False  # the word must be the value of an option
        self.is_behind_dashes = False
        self.prefix = ""  # the text --option= before the value

    @property
    def value(self) -> str:
        """Return the word without its --option= prefix."""
        return self.current[len(self.prefix) :]

    @property
    def options(self) -> dict[str, Action]:
        """Return all options that are valid here, including the program's global options."""
        own = self.command.options if self.command else {}
        return {**self.program.options, **own}


def find(words: Sequence[str], *, wants_meanings: bool = True) -> Cursor:
    """Return the cursor at the last of these words, which follow the program's name."""
    place = Cursor(words, wants_meanings=wants_meanings)
    _look_at_current(place, _go(place, iter(place.before)))
    return place


def _go(place: Cursor, words: Iterator[str]) -> list[Action]:
    """Parse the words before the cursor; return the options that still need a value."""
    waiting: list[Action] = []
    positionals: list[str] = []
    for word in words:
        if place.is_behind_dashes or not _is_option(word):
            if waiting and waiting[0].nargs != OPTIONAL:
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
    names = place.kept.commands()
    if name in names and not any(each.startswith(f"{name} ") for each in names):
        place.command = place.kept.command(name)


def _take_option(place: Cursor, word: str) -> list[Action]:
    name, sign, value = word.partition("=")
    action = _named(place.options, name)
    if action is None:
        return []
    values = place.given.setdefault(action.dest, [])
    if sign:
        values.append(value)
    elif action.takes_value:
        return [action]
    return []


def _arguments(place: Cursor, words: Sequence[str]) -> list[Action]:
    """Assign the words to the command's arguments; return the next argument."""
    left = list(words)
    for action in place.command.arguments if place.command else ():
        count = len(left) if action.nargs in REST else 1
        place.given.setdefault(action.dest, []).extend(left[:count])
        if not left or action.nargs in REST:
            return [action]
        del left[:count]
    return []


def _look_at_current(place: Cursor, waiting: list[Action]) -> None:
    is_optional = bool(waiting) and waiting[0].nargs in (*REST, OPTIONAL)
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


def _named(options: dict[str, Action], name: str) -> Action | None:
    """Return the option of this name, or the only one that begins with it."""
    if name in options:
        return options[name]
    found = {id(action): action for each, action in options.items() if name[:2] == "--" and each.startswith(name)}
    return next(iter(found.values())) if len(found) == 1 else None
