"""Tables that fit into a terminal: columns shrink evenly, and headings and values wrap."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

from .cells import width_of

FRAME = 3  # width of a column's rule and its blanks
BREAKABLE = re.compile(r"(?<=[-_ ,;/:.=])")  # a word may be broken after these characters
NARROWEST = 4
READABLE = 8  # minimum readable width of a column
# Text that is never broken: IDs with and without hyphens, times, and addresses.
WHOLE = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+"
    r"|[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|\d+\.\d+\.\d+\.\d+|(?:[0-9a-f]{0,4}:){2,7}[0-9a-f.]{0,15}"
)
# Columns to leave out first on a narrow terminal; then IDs of other objects, one status, and the rest from the right.
LEAVING = ("project_id", "provider", "lb_algorithm", "admin_state_up", "enabled", "at")
LAST = ("operating_status", "name", "id")

Row = Sequence[str]


def natural_width(headings: Row, rows: Sequence[Row]) -> int:
    """Return the width of the table in characters without wrapping."""
    return sum(_widest(column) + FRAME for column in zip(headings, *rows, strict=True)) + 1


def lines(headings: Row, rows: Sequence[Row], is_number: Sequence[bool], width: int) -> Iterator[str]:
    """Yield the lines of the table in the given width."""
    widths = _widths(headings, rows, width - 1 - FRAME * len(headings))
    rule = "+" + "+".join("-" * (each + 2) for each in widths) + "+"
    yield rule
    yield from _row(headings, widths, [False] * len(widths))
    yield rule
    for row in rows:
        yield from _row(row, widths, is_number)
    yield rule


def staying(headings: Row, rows: Sequence[Row], width: int) -> list[int]:
    """Return the numbers of the columns that fit into a terminal of this width without breaking an ID."""
    columns = zip(headings, *rows, strict=True)
    least = [FRAME + max(_unbroken(column[1:]), min(READABLE, _widest(column))) for column in columns]
    left: list[int] = []
    for number in sorted(range(len(headings)), key=lambda number: _rank(headings[number], number))[:-1]:
        if sum(least) - sum(least[other] for other in left) < width:
            break
        left.append(number)
    for number in reversed(left[1:]):  # once a wide column is left out, others may fit
        if sum(least) - sum(least[other] for other in left if other != number) < width:
            left.remove(number)
    return [number for number in range(len(headings)) if number not in left]


def _rank(heading: str, number: int) -> tuple[int, int]:
    """Return a column's rank: the lowest is left out first."""
    name = heading.lower()
    if name in LEAVING:
        return LEAVING.index(name), 0
    if name in LAST:
        return 100 + LAST.index(name), 0
    if name.endswith("_id"):
        return 10, -number
    return (11, 0) if name == "provisioning_status" else (12, -number)


def _unbroken(values: Row) -> int:
    """Return the minimum width of a column so that no ID or address is broken."""
    return max((len(found[0]) for value in values for found in WHOLE.finditer(value)), default=0)


def _widths(headings: Row, rows: Sequence[Row], room: int) -> list[int]:
    """Return the columns' widths: the widest shrink until all fit; words of headings are broken as a last resort."""
    natural = [_widest(column) for column in zip(headings, *rows, strict=True)]
    wholes = [max(width_of(piece.rstrip()) for piece in BREAKABLE.split(heading)) for heading in headings]
    unbroken = [_unbroken([row[number] for row in rows]) for number in range(len(headings))]
    both = [max(pair) for pair in zip(wholes, unbroken, strict=True)]
    for least in (both, [max(NARROWEST, wide) for wide in unbroken], wholes, [NARROWEST] * len(headings)):
        for cap in range(max(natural), NARROWEST - 1, -1):
            widths = [min(wide, max(cap, low)) for wide, low in zip(natural, least, strict=True)]
            if sum(widths) <= room:
                return _grown(widths, natural, room)
    return [min(NARROWEST, wide) for wide in natural]


def _grown(widths: list[int], natural: Sequence[int], room: int) -> list[int]:
    """Distribute the remaining room to the columns that can use it, from the left."""
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
    blanks = " " * (width - width_of(text))
    return f"{blanks}{text}" if is_right else f"{text}{blanks}"


def _broken(text: str, width: int) -> list[str]:
    """Wrap a value into lines."""
    done: list[str] = []
    for line in text.split("\n"):
        current = ""
        for piece in (part for word in _words(line, width) for part in _parts(word, width)):
            if current and width_of(current + piece.rstrip()) > width:
                done.append(current.rstrip())
                current = ""
            current += piece
        done.append(current.rstrip())
    return done


def _words(line: str, width: int) -> Iterator[str]:
    """Yield the unbreakable pieces of a line: IDs, addresses, and the text between two break points."""
    whole = [found.span() for found in WHOLE.finditer(line) if len(found[0]) <= width]
    start = 0
    for found in BREAKABLE.finditer(line):
        place = found.start()
        if not any(begin < place < end for begin, end in whole):
            yield line[start:place]
            start = place
    yield line[start:]


def _parts(word: str, width: int) -> Iterator[str]:
    """Split a word into parts that fit into the width."""
    part = ""
    for character in word:
        if part and width_of(part + character) > width and character != " ":
            yield part
            part = ""
        part += character
    yield part


def _widest(values: Row) -> int:
    return max(width_of(line) for value in values for line in value.split("\n"))


def natural(headings: Row, rows: Sequence[Row], is_right: Sequence[bool]) -> str:
    """Return a table of ASCII text without wrapping, as prettytable writes it; "" without rows."""
    if not rows:
        return ""
    widths = [_widest(column) for column in zip(headings, *rows, strict=True)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    aligned = [f"{{:{'>' if right else '<'}{width}}}" for right, width in zip(is_right, widths, strict=True)]
    line = f"| {' | '.join(aligned)} |".format
    return "\n".join([rule, line(*headings), rule, *(text for row in rows for text in _unwrapped(row, line)), rule])


def _unwrapped(row: Row, line: Callable[..., str]) -> Iterator[str]:
    if not any("\n" in cell for cell in row):
        yield line(*row)
        return
    for cells in itertools.zip_longest(*(cell.split("\n") for cell in row), fillvalue=""):
        yield line(*cells)
