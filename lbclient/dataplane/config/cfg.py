"""The words and lines of an HAProxy configuration. All quoting is done here, and nowhere else."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

# Characters that need no quotes. Others mean something to HAProxy's tokenizer: blanks, quotes, backslashes, '#', '$'.
BARE = re.compile(r"[A-Za-z0-9_.:/,@=+*?!%&|<>(){}\[\]~^;-]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


MAPS = "maps"  # the directory of maps


class Refused(Exception):
    """A configuration cannot be applied; the text is the reason for the user."""


@dataclass(frozen=True)
class Map:
    """A file with a key and a value on each line.

    One with a label can be changed in a running HAProxy. Without a label it never changes, and is named by a digest.
    """

    text: str
    label: str = ""

    @property
    def name(self) -> str:
        return f"{MAPS}/{self.label or hashlib.sha256(self.text.encode()).hexdigest()[:32]}.map"

    @property
    def keys(self) -> Iterator[str]:
        """The keys, in order; none of them has a blank."""
        return (line.partition(" ")[0] for line in self.text.splitlines())


@dataclass(frozen=True)
class Line:
    """One statement; `dynamic` are the words at its end that can be changed in a running HAProxy without a reload."""

    words: tuple[str, ...]
    dynamic: tuple[str, ...] = ()
    maps: tuple[Map, ...] = ()  # the files that the words name

    @cached_property
    def text(self) -> str:
        """The line as it is in the file."""
        return _text(self.words + self.dynamic)

    @property
    def static_text(self) -> str:
        """The line without the words that can be changed without a reload."""
        return _text(self.words) if self.dynamic else self.text


@dataclass(frozen=True)
class Section:
    """A section: the words of its first line, and its other lines.

    `servers` are lines that a running HAProxy can add and delete; `template` are the words that they have in common,
    which it cannot change.
    """

    words: tuple[str, ...]
    lines: tuple[Line, ...]
    servers: tuple[Line, ...] = ()
    template: tuple[str, ...] = ()


def line(*words: object, dynamic: Iterable[object] = (), maps: Iterable[Map] = ()) -> Line:
    return Line(tuple(str(each) for each in words), tuple(str(each) for each in dynamic), tuple(maps))


def map_of(pairs: Iterable[tuple[object, object]], label: str = "") -> Map:
    return Map("".join(f"{key} {value}\n" for key, value in pairs), label)


def clean(value: str, field: str) -> str:
    """Return the value unchanged if a configuration can hold it. Raises Refused, naming the field."""
    found = CONTROL.search(value)
    if found:
        raise Refused(f"{field} has a control character (\\x{ord(found[0]):02x}): {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused(f"{field} is not Unicode text: {value!r}") from None
    return value


def word(value: str) -> str:
    """Return one word for a configuration: bare if that is safe, else in single quotes, which prevent expansion.

    Raises Refused for control characters.
    """
    clean(value, "A word of the configuration")
    return value if BARE.fullmatch(value) else quoted(value)


def quoted(value: str) -> str:
    """Return a value in single quotes; they work both in a line and in the parentheses of a sample fetch."""
    return "'" + value.replace("'", "'\\''") + "'"


def call(name: str, argument: str) -> str:
    """Return a sample fetch with one argument, quoted if necessary: `req.fhdr('a b')`."""
    return f"{name}({argument if re.fullmatch(r'[A-Za-z0-9_-]+', argument) else quoted(argument)})"


def address(value: str) -> str:
    """Return the canonical form of an IP address, so that another spelling of it does not cause a reload."""
    return str(ipaddress.ip_address(value))


def literal(value: str) -> str:
    """Escape a text for a place where HAProxy expects a log format."""
    return value.replace("%", "%%")


def text(sections: Iterable[Section], is_static: bool = False) -> str:
    """Return the text of a configuration file; `is_static` leaves out what can be changed without a reload."""
    return "\n".join("".join(_static(each) if is_static else _lines(each)) for each in sections)


def _lines(section: Section) -> list[str]:
    head = " ".join(map(word, section.words)) + "\n"
    return [head, *[each.text for each in section.lines], *[each.text for each in section.servers]]


def _static(section: Section) -> Iterator[str]:
    yield " ".join(map(word, section.words)) + "\n"
    yield from (each.static_text for each in section.lines)
    if section.template:
        yield _text(section.template)


def _text(words: Iterable[str]) -> str:
    return "    " + " ".join(map(word, words)) + "\n"
