"""The words of an HAProxy configuration: every one is quoted here, and nowhere else."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Everything else means something to HAProxy's tokenizer: blanks, quotes, the backslash, '#' and '$'.
BARE = re.compile(r"[A-Za-z0-9_.:/,@=+*?!%&|<>(){}\[\]~^;-]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Refused(Exception):
    """Something that HAProxy cannot be told; the text is for the person who asked for it."""


@dataclass(frozen=True)
class Line:
    """One statement; `dynamic` are the words at its end that a running HAProxy can be told without a reload."""

    words: tuple[str, ...]
    dynamic: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A section: the words that open it, and its lines."""

    words: tuple[str, ...]
    lines: tuple[Line, ...]


def line(*words: object, dynamic: Iterable[object] = ()) -> Line:
    return Line(tuple(str(each) for each in words), tuple(str(each) for each in dynamic))


def clean(value: str, field: str) -> str:
    """The value itself, where it can stand in a configuration. Raises Refused, naming the field."""
    found = CONTROL.search(value)
    if found:
        raise Refused(f"{field} has a control character (\\x{ord(found[0]):02x}): {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused(f"{field} is not Unicode text: {value!r}") from None
    return value


def word(value: str) -> str:
    """One word as HAProxy reads it back: bare where that is safe, else in single quotes, where nothing is expanded."""
    clean(value, "A word of the configuration")
    return value if BARE.fullmatch(value) else quoted(value)


def quoted(value: str) -> str:
    """In single quotes; HAProxy reads them alike in a line and inside the parentheses of a sample fetch."""
    return "'" + value.replace("'", "'\\''") + "'"


def call(name: str, argument: str) -> str:
    """A sample fetch with one argument of any characters: `req.fhdr('x')`."""
    return f"{name}({argument if re.fullmatch(r'[A-Za-z0-9_-]+', argument) else quoted(argument)})"


def address(value: str) -> str:
    """An IP address in its shortest spelling: another spelling of the same needs no reload."""
    return str(ipaddress.ip_address(value))


def literal(value: str) -> str:
    """Text for a place where HAProxy expects a log format."""
    return value.replace("%", "%%")


def text(sections: Iterable[Section], is_static: bool = False) -> str:
    """The file; `is_static` leaves out what can be changed without a reload."""
    return "\n".join("".join(_lines(section, is_static)) for section in sections)


def _lines(section: Section, is_static: bool) -> Iterator[str]:
    yield " ".join(map(word, section.words)) + "\n"
    for each in section.lines:
        yield "    " + " ".join(map(word, each.words if is_static else each.words + each.dynamic)) + "\n"
