"""Regular expressions that HAProxy's engine accepts.

The API accepts every expression that Python compiles. HAProxy uses PCRE, which refuses a few of them. They are detected
here from their text, so that a rule is refused when it is created rather than when it is applied.

HAProxy itself limits a match in time and depth. If PCRE gives up at a limit, HAProxy treats this as no match. An
expression that matches if the given one does not can distinguish the two cases: see `unmatched`.
"""

from __future__ import annotations

import re

LONGEST_NAME = 32
MOST_REPEATS = 65535
LARGEST = 20000  # estimated size, in which nested repeats multiply; PCRE's compiled form is limited to 64 KiB

# A backslash and what it escapes, a bracket expression, or one other character.
TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
FLAGS = re.compile(r"\(\?[a-zA-Z]*(?:-[a-zA-Z]+)?[:)]")
NAME = re.compile(r"\(\?P<([^>]*)>")
REPEAT = re.compile(r"\{(\d*)(?:,(\d*))?\}")
POSIX = re.compile(r"\[([:.=]).*?\1\]", re.DOTALL)
ONLY_PYTHON = re.compile(r"\\[uUN]")
NUMBERED = re.compile(r"\\[1-9]")
REPEATED = re.compile(r"[*+{]")


def refusal(pattern: str) -> str | None:
    """Return why a pattern that Python compiles cannot be used with HAProxy; None if it can."""
    why = reason(pattern)
    return why and f"the regular expression {pattern!r}: {why}"


def may_give_up(pattern: str) -> bool:
    """Return whether a match may take so long, or nest so deeply, that PCRE gives up."""
    return REPEATED.search("".join(token for token in TOKEN.findall(pattern) if len(token) == 1)) is not None


def unmatched(pattern: str) -> str:
    """Return an expression that matches a whole text if PCRE finds no match of the pattern and has not given up."""
    return f"^(?!(?s:.*?)(?:{pattern}))(?s:.*)"


def reason(pattern: str) -> str | None:
    """Return the part of a pattern that Python compiles and HAProxy does not; None if there is none."""
    tokens = TOKEN.findall(pattern)
    bare = "".join(token if len(token) == 1 else "x" for token in tokens)
    for token in tokens:
        escape = ONLY_PYTHON.match(token)
        if escape or (len(token) > 2 and ONLY_PYTHON.search(re.sub(r"\\\\", "", token))):
            return "\\u, \\U and \\N are not known to PCRE"
    if POSIX.search(pattern):
        return "[: :], [. .] and [= =] mean something else to PCRE"
    if "(?(" in bare:
        return "conditions are not supported"
    if "()" in bare or "(?!)" in bare:
        return "empty groups are not supported"
    if any(re.search("[aLu]", flags) for flags in FLAGS.findall(bare)):
        return "the flags a, L and u are not known to PCRE"
    if any(len(name) > LONGEST_NAME or not name.isascii() for name in NAME.findall(bare)):
        return f"names of groups are ASCII and have at most {LONGEST_NAME} characters"
    is_numbered = any(NUMBERED.match(token) for token in tokens)
    if is_numbered and re.search(r"\((?!\?)", bare):
        return "a group that is referred to needs a name: (?P<name>...) and (?P=name)"
    if ("(?<=" in bare or "(?<!" in bare) and (is_numbered or "(?P=" in bare):
        return "lookbehind and references cannot be combined"
    if "#" in bare and any("x" in flags.partition("-")[0] for flags in FLAGS.findall(bare)):
        return "comments are not supported beside the flag x"
    return _too_large(pattern, bare)


def _too_large(pattern: str, bare: str) -> str | None:
    size = len(pattern)
    for first, second in REPEAT.findall(bare):
        times = max(int(first or 1), int(second or 1))
        if times > MOST_REPEATS:
            return f"at most {MOST_REPEATS} repeats"
        size *= max(times, 1)
    return "it is too large" if size > LARGEST and size > len(pattern) else None
