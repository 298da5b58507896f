"""The output of `lbclient __complete SHELL …` for the shells' scripts: a directive, then one candidate per line."""

from __future__ import annotations

import os
import sys

from . import candidates, cursor, words

TYPE_CHECKING = False  # instead of typing's, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FILES, OPEN, WHOLE = ":files", ":open", ":whole"  # the first line; OPEN: insert no blank after the word


def main(arguments: Sequence[str]) -> int:
    """Print the candidates for `bash LINE`, `zsh WORD…` or `fish WORD…`, up to the cursor. Never fails."""
    shell, *typed = arguments or ("",)
    errors = sys.stderr
    with open(os.devnull, "r+") as nothing:
        sys.stdin = sys.stderr = nothing  # prevents password prompts, and warnings of libraries
        try:
            lines = list(_bash(typed[0]) if shell == "bash" else _others(shell, typed))
        except (Exception, SystemExit):
            return 0
        finally:
            sys.stderr = errors
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
    return 0


def _bash(text: str) -> Iterable[str]:
    line = words.read(text)
    answer = candidates.at(cursor.find(line.words[1:], wants_meanings=False))
    yield _directive(answer)
    for each in answer.candidates:
        yield line.replacement(each.word)


def _others(shell: str, typed: Sequence[str]) -> Iterable[str]:
    """Yield the lines for zsh and fish, with a tab between a candidate and its description."""
    current = words.read(typed[-1]).words[-1] if shell == "fish" and typed else ""
    answer = candidates.at(cursor.find([*typed[:-1], current] if shell == "fish" else typed))
    yield _directive(answer)
    if answer.wants_files:
        yield current
    for each in answer.candidates:
        yield f"{each.word}\t{_line(each)}"


def _line(candidate: candidates.Candidate) -> str:
    return " ".join(candidate.meaning.split())


def _directive(answer: candidates.Answer) -> str:
    if answer.wants_files:
        return FILES
    return WHOLE if all(each.is_whole for each in answer.candidates) else OPEN
