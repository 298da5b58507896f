"""Suggestions for unknown options, choices and commands."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from ..client import similar
from . import deferred

with deferred.imports():
    from cliff import _argparse

UNKNOWN = re.compile(r"(?:unrecognized arguments|no such option): (.*)", re.DOTALL)
NO_CHOICE = re.compile(r"argument ([^:]+): invalid choice: '?([^' ]+)'? \(choose from")

MISSED_WORD = 0.1  # similarity subtracted for each additional or missing word of a command
NEARLY = 0.05  # commands whose similarity differs by less are all suggested
ABBREVIATION = 0.9
FEW = 12  # if more commands than this contain a word, none of them is suggested


class Parser(_argparse.ArgumentParser):
    """A parser whose errors suggest similar options and choices."""

    others: Iterable[str] = ()  # the program's global options, valid with every command
    fixed: Mapping[str, str] = {}  # options of other verbs -> the message about them

    def error(self, message: str) -> NoReturn:
        """Exit with one line: the error, a suggestion, and where to find help."""
        said = f"{message}{'' if message.endswith('.') else '.'}"
        advice = next(self._questions(message), f"`{self._help()}` says more.")
        self.exit(2, f"{self.prog}: {said} {advice}\n")

    def _help(self) -> str:
        program, *words = self.prog.split()
        return " ".join((program, "help", *words)) if words else f"{program} --help"

    def _questions(self, message: str) -> Iterator[str]:
        unknown = UNKNOWN.match(message)
        if unknown:
            yield from (self.fixed[word] for word in unknown[1].split() if word in self.fixed)
            words = [word.partition("=")[0] for word in unknown[1].split() if word.startswith("--")]
            shown = [name for name in (*self._option_string_actions, *self.others) if name.startswith("--")]
            found = dict.fromkeys(each for word in words for each in similar.closest(word, shown))
            yield from filter(None, [similar.question(found)])
        wrong = NO_CHOICE.match(message)
        if wrong:
            actions = (self._option_string_actions.get(name) for name in wrong[1].split("/"))
            choices = [str(choice) for action in actions if action for choice in action.choices or ()]
            yield from filter(None, [similar.question(similar.closest(wrong[2], choices))])


def attach(parser: argparse.ArgumentParser, app: Any = None) -> None:
    """Make a command's parser suggest corrections; cliff has no setting for the class of its parsers."""
    parser.__class__ = Parser
    assert isinstance(parser, Parser)
    parser.others = getattr(getattr(app, "parser", None), "_option_string_actions", ())


def unknown(typed: Sequence[str], known: Iterable[str], program: str) -> str:
    """Return the error message for words that are not a command, with possible continuations or suggestions."""
    names = [name.split() for name in sorted(known)]
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), typed))
    following = dict.fromkeys(name[len(words)] for name in names if len(name) > len(words) and _begins(name, words))
    if following:
        return f"'{' '.join(words)}' is not a {program} command yet: it goes on with {', '.join(following)}."
    question = similar.question(_meant(words, names))
    return f"'{' '.join(words)}' is not a {program} command. {question or f'`{program} help` lists them.'}"


def _begins(name: Sequence[str], words: Sequence[str]) -> bool:
    return list(name[: len(words)]) == list(words)


def _meant(words: Sequence[str], names: Sequence[Sequence[str]]) -> list[str]:
    """Return the most similar commands, compared word by word; if there are none, without their first words."""
    scores: dict[str, float] = {}
    for name in names:
        similarities = [_similarity(word, part) for word, part in zip(words, name, strict=False)]
        if min(similarities, default=0.0) >= similar.SIMILARITY:
            missed = abs(len(name) - len(words)) * MISSED_WORD if len(words) > 1 else 0.0
            scores[" ".join(name[: len(words)])] = sum(similarities) / len(similarities) - missed
    best = [text for text in scores if scores[text] > max(scores.values()) - NEARLY]
    if best:
        return sorted(best, key=lambda text: -scores[text])[: similar.AT_MOST]
    ends = [name for name in names for end in range(len(words), 0, -1) if list(name[-end:]) == list(words[:end])]
    within = next(filter(None, (containing(words[:end], names) for end in range(len(words), 0, -1))), [])
    few = within if len(within) <= FEW else []
    found = dict.fromkeys(" ".join(name) for name in (*sorted(ends, key=len), *sorted(few, key=len)))
    return list(found)[: similar.AT_MOST]


def containing(words: Sequence[str], names: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """Return the commands that contain these words in a row."""
    return [
        name
        for name in names
        if any(list(name[start : start + len(words)]) == list(words) for start in range(len(name)))
    ]


def _similarity(word: str, part: str) -> float:
    """Return the similarity of two words: 1 if they are equal, and nearly 1 for an abbreviation."""
    import difflib  # imported late: only needed after a mistake

    is_short = len(word) > 1 and part.startswith(word.lower())
    is_short = is_short or (len(word) in (2, 3) and bool(re.match(".*".join(map(re.escape, word.lower())), part)))
    return max(difflib.SequenceMatcher(None, word.lower(), part).ratio(), ABBREVIATION if is_short else 0.0)
