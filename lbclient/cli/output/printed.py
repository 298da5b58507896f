"""Fit tables that another program has printed, without knowing a terminal, into one."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Iterator

from . import table

RULE = re.compile(r"\+(-+\+)+")
OBJECT = ["field", "value"]  # the headings of the table of one object, which keeps both columns


def fitted(text: str, room: int) -> str:
    """Return a text whose tables fit into so many columns without breaking an ID; other lines stay as they are."""
    blocks = itertools.groupby(text.splitlines(), key=lambda line: line.startswith(("+-", "| ")))
    return "".join(f"{line}\n" for is_table, block in blocks for line in _fitted(list(block), room, is_table))


def _fitted(lines: list[str], room: int, is_table: bool) -> Iterator[str]:
    rules = [place for place, line in enumerate(lines) if RULE.fullmatch(line)]
    if not is_table or rules != [0, 2, len(lines) - 1] or len(lines[0]) <= room:
        yield from lines
        return
    headings, *rows = (_cells(line, lines[0]) for line in lines if not RULE.fullmatch(line))
    is_object = [heading.lower() for heading in headings] == OBJECT
    staying = list(range(len(headings))) if is_object else table.staying(headings, rows, room)
    left = [heading for place, heading in enumerate(headings) if place not in staying]
    if left:
        yield from textwrap.wrap(f"Left out: {', '.join(left)}; --wide shows all.", room)
    chosen = [[row[place] for place in staying] for row in (headings, *rows)]
    is_number = [all(row[place].isdigit() for row in rows) for place in staying]
    yield from table.lines(chosen[0], chosen[1:], is_number, room)


def _cells(line: str, rule: str) -> list[str]:
    """Return the cells of a line of a table whose columns begin and end where the rule has a cross."""
    crosses = [place for place, sign in enumerate(rule) if sign == "+"]
    return [line[begin + 1 : end].strip() for begin, end in itertools.pairwise(crosses)]
