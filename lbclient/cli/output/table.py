"""Tables that are no wider than a terminal: columns shrink evenly, and headings take several lines as values do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

FRAME = 3  # a column's rule and its blanks
BREAKABLE = re.compile(r"(?<=[-_ ,;/:.=])")  # behind these a word may go on in the next line
NARROWEST = 4
READABLE = 8  # a column that is narrower breaks most words
# What stays in one piece: IDs with and without hyphens, and addresses.
WHOLE = re.compile(
    r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|\d+\.\d+\.\d+\.\d+|(?:[0-9a-f]{0,4}:){2,7}[0-9a-f.]{0,15}"
)
# What leaves first where a terminal is too narrow; then IDs of other things, one status, and the rest from the right.
LEAVING = ("project_id", "provider", "lb_algorithm", "admin_state_up", "enabled")
LAST = ("operating_status", "name", "id")

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


def staying(headings: Row, rows: Sequence[Row], width: int) -> list[int]:
    """The columns that a terminal of that width has room for without breaking an ID, by their numbers."""
    columns = zip(headings, *rows, strict=True)
    least = [FRAME + max(_unbroken(column[1:]), min(READABLE, _widest(column))) for column in columns]
    left: list[int] = []
    for number in sorted(range(len(headings)), key=lambda number: _rank(headings[number], number))[:-1]:
        if sum(least) - sum(least[other] for other in left) < width:
            break
        left.append(number)
    for number in reversed(left[1:]):  # where a wide one has left, others may stay
        if sum(least) - sum(least[other] for other in left if other != number) < width:
            left.remove(number)
    return [number for number in range(len(headings)) if number not in left]


def _rank(heading: str, number: int) -> tuple[int, int]:
    """When a column leaves: the lowest goes first."""
    name = heading.lower()
    if name in LEAVING:
        return LEAVING.index(name), 0
    if name in LAST:
        return 100 + LAST.index(name), 0
    if name.endswith("_id"):
        return 10, -number
    return (11, 0) if name == "provisioning_status" else (12, -number)


def _unbroken(values: Row) -> int:
    """How wide a column has to be for what stays in one piece."""
    return max((len(found[0]) for value in values for found in WHOLE.finditer(value)), default=0)


def _widths(headings: Row, rows: Sequence[Row], room: int) -> list[int]:
    """The columns' widths: the widest shrink until all fit; words of headings are broken only if nothing else helps."""
    natural = [_widest(column) for column in zip(headings, *rows, strict=True)]
    wholes = [max(_cells(piece.rstrip()) for piece in BREAKABLE.split(heading)) for heading in headings]
    unbroken = [_unbroken([row[number] for row in rows]) for number in range(len(headings))]
    both = [max(pair) for pair in zip(wholes, unbroken, strict=True)]
    for least in (both, [max(NARROWEST, wide) for wide in unbroken], wholes, [NARROWEST] * len(headings)):
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
        for piece in (part for word in _words(line, width) for part in _parts(word, width)):
            if current and _cells(current + piece.rstrip()) > width:
                done.append(current.rstrip())
                current = ""
            current += piece
        done.append(current.rstrip())
    return done


def _words(line: str, width: int) -> Iterator[str]:
    """What stays together where it fits: IDs, addresses, and what stands between two places to break."""
    whole = [found.span() for found in WHOLE.finditer(line) if len(found[0]) <= width]
    start = 0
    for found in BREAKABLE.finditer(line):
        place = found.start()
        if not any(begin < place < end for begin, end in whole):
            yield line[start:place]
            start = place
    yield line[start:]


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
