"""Tables that are no wider than a terminal: columns shrink evenly, and headings take several lines as values do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

FRAME = 3  # a column's rule and its blanks
BREAKABLE = re.compile(r"(?<=[-_ ,;/:.=])")  # behind these a word may go on in the next line
NARROWEST = 4

Row = Sequence[str]


def natural_width(headings: Row, rows: Sequence[Row]) -> int:
    """How many characters wide the table is without breaking a line."""
    return sum(_widest(column) + FRAME for column in zip(headings, *rows, strict=True)) + 1


def lines(headings: Row, rows: Sequence[Row], is_number: Sequence[bool], width: int) -> Iterator[str]:
    """The table, in that width."""
    widths = _widths(headings, rows, width - 1 - FRAME * len(headings))
    rule = "+" + "+".join("-" * (each + 2) for each in widths) + "+"
    yield rule
    yield from _row(headings, widths, [False] * len(widths))
    yield rule
    for row in rows:
        yield from _row(row, widths, is_number)
    yield rule


def _widths(headings: Row, rows: Sequence[Row], room: int) -> list[int]:
    """The columns' widths: the widest shrink until all fit; words of headings are broken only if nothing else helps."""
    natural = [_widest(column) for column in zip(headings, *rows, strict=True)]
    wholes = [max(_cells(piece.rstrip()) for piece in BREAKABLE.split(heading)) for heading in headings]
    for least in (wholes, [NARROWEST] * len(headings)):
        for cap in range(max(natural), NARROWEST - 1, -1):
            widths = [min(wide, max(cap, low)) for wide, low in zip(natural, least, strict=True)]
            if sum(widths) <= room:
                return _grown(widths, natural, room)
    return [min(NARROWEST, wide) for wide in natural]


def _grown(widths: list[int], natural: Sequence[int], room: int) -> list[int]:
    """What is left of the room goes to the columns that can use it, from the left."""
    left = room - sum(widths)
    for number, wide in enumerate(natural):
        more = min(left, wide - widths[number])
        widths[number] += more
        left -= more
    return widths


def _row(values: Row, widths: Sequence[int], is_right: Sequence[bool]) -> Iterator[str]:
    columns = [_broken(value, width) for value, width in zip(values, widths, strict=True)]
    for number in range(max(map(len, columns))):
        cells = [column[number] if number < len(column) else "" for column in columns]
        padded = [_padded(*each) for each in zip(cells, widths, is_right, strict=True)]
        yield f"| {' | '.join(padded)} |"


def _padded(text: str, width: int, is_right: bool) -> str:
    blanks = " " * (width - _cells(text))
    return f"{blanks}{text}" if is_right else f"{text}{blanks}"


def _broken(text: str, width: int) -> list[str]:
    """The lines of a value."""
    done: list[str] = []
    for line in text.split("\n"):
        current = ""
        for piece in (part for word in BREAKABLE.split(line) for part in _parts(word, width)):
            if current and _cells(current + piece.rstrip()) > width:
                done.append(current.rstrip())
                current = ""
            current += piece
        done.append(current.rstrip())
    return done


def _parts(word: str, width: int) -> Iterator[str]:
    """A word in parts that each fit."""
    part = ""
    for character in word:
        if part and _cells(part + character) > width and character != " ":
            yield part
            part = ""
        part += character
    yield part


def _widest(values: Row) -> int:
    return max(_cells(line) for value in values for line in value.split("\n"))


def _cells(text: str) -> int:
    """How many characters of a terminal it takes."""
    if text.isascii():
        return len(text)
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
