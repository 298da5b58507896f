"""Completion candidates: words of commands, options, choices, and the names of objects in the cloud."""

from __future__ import annotations

from .cursor import Cursor
from .described import CLOUD, Action

TYPE_CHECKING = False  # instead of typing's, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Candidate:
    """A word to insert, its description, and whether a blank can follow."""

    def __init__(self, word: str, meaning: str = "", *, is_whole: bool = True) -> None:
        self.word = word
        self.meaning = meaning
        self.is_whole = is_whole


class Answer:
    """The candidates that a shell offers."""

    def __init__(self, candidates: Sequence[Candidate] = (), *, wants_files: bool = False) -> None:
        self.candidates = candidates
        self.wants_files = wants_files


def at(place: Cursor) -> Answer:
    """Return the candidates at the cursor that match what has been typed."""
    if any(action.wants_files for action in place.takes):
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
    for name in place.kept.commands():
        parts = tuple(name.split())
        if parts[: len(words)] == words and len(parts) > len(words):
            is_last = len(parts) == len(words) + 1
            is_explained = is_last and place.wants_meanings and parts[-1].startswith(place.current)
            yield Candidate(parts[len(words)], place.kept.meaning(name) if is_explained else "")


def _options(place: Cursor) -> Iterator[Candidate]:
    if not place.is_option:
        return
    own = (place.command or place.program).options
    wants_all = len(place.current) > len("--")
    seen = set()
    for name, action in sorted(place.options.items(), key=lambda item: -len(item[0])):
        is_here = name in own or wants_all
        if is_here and name.startswith(place.current) and id(action) not in seen and _is_free(place, action):
            seen.add(id(action))
            yield Candidate(name, action.meaning)


def _is_free(place: Cursor, action: Action) -> bool:
    """Return whether the option can still be given, or given again."""
    if action.is_hidden or any(dest in place.given for dest in action.rivals if dest != action.dest):
        return False
    return action.dest not in place.given or action.is_repeatable


def _values(place: Cursor, action: Action) -> list[Candidate]:
    """Return the values of an option or argument, prefixed with the option if the word is --option=value."""
    if action.keys:
        return _pairs(place, action)
    if action.kind == CLOUD:
        return [Candidate(f"{place.prefix}{name}") for name in _clouds()]
    if action.kind:
        return _existing(place, action)
    return [Candidate(f"{place.prefix}{value}") for value in action.values]


def _pairs(place: Cursor, action: Action) -> list[Candidate]:
    """Return the keys of key=value,key=value, or the values of a key."""
    done, comma, last = place.value.rpartition(",")
    key, sign, _ = last.partition("=")
    front = f"{place.prefix}{done}{comma}"
    if not sign:
        return [Candidate(f"{front}{name}=", is_whole=False) for name in action.keys]
    name = key.replace("_", "-")
    if action.refers and name == f"{action.refers.replace('_', '-')}-id":
        return [
            Candidate(f"{front}{key}={each.word}", each.meaning) for each in _names(place, action.refers) if each.word
        ]
    start = f"{name}="
    values = [pair[len(start) :] for pair in action.key_values if pair.startswith(start)]
    return [Candidate(f"{front}{key}={value}") for value in values]


def _existing(place: Cursor, action: Action) -> list[Candidate]:
    given = {word for words in place.given.values() for word in words}
    found = [each for each in _names(place, action.kind) if each.word not in given or place.takes[0].names]
    if place.prefix:
        return [Candidate(f"{place.prefix}{each.word}", each.meaning) for each in found]
    # argparse would parse a word that begins with a dash as an option.
    return [each for each in found if place.is_behind_dashes or not each.word.startswith("-")]


def _names(place: Cursor, kind: str) -> list[Candidate]:
    from .existing import names_of  # imported late: asking the cloud needs modules that other words do not

    return [Candidate(word, meaning) for word, meaning in names_of(place, kind)]


def _clouds() -> list[str]:
    import os

    from ...client import clouds

    return list(clouds.names(os.environ))
