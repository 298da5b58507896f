"""The content of the live display: a page of coloured pieces, or plain lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import screen
from .rates import Line

Piece = tuple[str, str]  # text, colour

SORTS = ("connections", "active", "received", "sent", "errors", "state", "name")
HEADINGS = {"connections": "CONN/S", "active": "ACTIVE", "received": "IN/S", "sent": "OUT/S", "errors": "ERR/S"}
WIDTHS = {"connections": 8, "active": 7, "received": 9, "sent": 9, "errors": 7}
STATE_WIDTH = 14
NAME_LEAST = 12
WORST_FIRST = ("ERROR", "PENDING_DELETE", "DEGRADED", "OFFLINE", "PENDING_UPDATE", "PENDING_CREATE")
BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")
KEYS = "q quit  s sort  r reverse  d details  space pause  +/- interval"


@dataclass
class Order:
    """By what load balancers are sorted."""

    by: str = SORTS[0]
    is_reversed: bool = False

    def following(self) -> Order:
        return Order(SORTS[(SORTS.index(self.by) + 1) % len(SORTS)], self.is_reversed)

    def sorted(self, lines: Sequence[Line]) -> list[Line]:
        """Return the lines sorted by state (worst first), by name, or by a figure (largest first)."""
        by_name = sorted(lines, key=lambda line: line.name)
        if self.by == "state":
            rank = {state: number for number, state in enumerate(WORST_FIRST)}
            by_name.sort(key=lambda line: rank.get(line.state, len(rank)))
        elif self.by != "name":
            by_name.sort(key=lambda line: -1.0 if (value := figure(line, self.by)) is None else value, reverse=True)
        return by_name[::-1] if self.is_reversed else by_name


def figure(line: Line, name: str) -> float | None:
    return line.active if name == "active" else line.rates.get(name)


def flat(lines: Sequence[Line]) -> list[Line]:
    """Return the lines, each followed by those below it."""
    return [one for line in lines for one in (line, *line.below)]


def heading(columns: int, order: Order) -> str:
    """Return the headings, with an arrow at the sort column."""
    arrow = "↑" if order.is_reversed else "↓"
    shown = _shown(columns)
    marked = {name: f"{HEADINGS[name]}{arrow if order.by == name else ''}" for name in shown}
    cells = [f"{marked[name]:>{WIDTHS[name]}}" for name in shown]
    name = f"NAME{arrow if order.by == 'name' else ''}"
    state = f"STATE{arrow if order.by == 'state' else ''}"
    return " ".join([screen.fit(state, STATE_WIDTH), screen.fit(name, _room(columns)), *cells])


def row(line: Line, columns: int) -> list[Piece]:
    """Return the row of an object in the screen's width; the name of one without figures uses their space."""
    if not line.rates:
        return [_painted(line), (f" {_label(line, columns - STATE_WIDTH - 1)}", "")]
    cells = [f"{_cell(line, name):>{WIDTHS[name]}}" for name in _shown(columns)]
    name = screen.fit(_label(line, _room(columns)), _room(columns))
    return [_painted(line), (f" {name} ", "" if line.depth else "bold"), (" ".join(cells), "")]


def _label(line: Line, room: int) -> str:
    tail = f" {line.tail}" if line.tail else ""
    name = f"{' ' * line.depth}{line.name}"
    return screen.cut(f"{screen.cut(name, room - screen.width(tail))}{tail}", room)


def batch_heading() -> str:
    figures = f"{'CONN/S':>10} {'ACTIVE':>8} {'IN_B/S':>12} {'OUT_B/S':>12} {'ERR/S':>8}"
    return f"{'TIME':<19} {figures} {'PROVISIONING':<14} {'OPERATING':<10} NAME"


def batch_row(line: Line, moment: str) -> str:
    """Return the row of an object for a pipe: figures without units, then the name, which may have blanks."""
    figures = [figure(line, name) for name in HEADINGS]
    cells = ["-" if value is None else f"{value:.1f}" for value in figures]
    cells[1] = cells[1].removesuffix(".0")
    widths = (10, 8, 12, 12, 8)
    padded = " ".join(f"{cell:>{wide}}" for cell, wide in zip(cells, widths, strict=True))
    states = f"{line.provisioning or '-':<14} {line.operating or '-':<10}"
    return f"{moment} {padded} {states} {' ' * line.depth}{line.name}{f' {line.tail}' if line.tail else ''}"


def amount(value: float) -> str:
    """Return bytes per second with a unit and about three digits."""
    for unit in BYTE_UNITS:
        if value < 999.5 or unit == BYTE_UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError  # the loop always returns at the last unit


def _cell(line: Line, name: str) -> str:
    value = figure(line, name)
    if value is None:
        return "-"
    if name == "active":
        return f"{value:.0f}"
    if name in ("received", "sent"):
        return amount(value)
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


def _painted(line: Line) -> Piece:
    return screen.fit(line.state, STATE_WIDTH), screen.colour_of(line.state)


def _shown(columns: int) -> list[str]:
    """Return the columns that fit; the last ones are left out first."""
    shown = list(WIDTHS)
    while len(shown) > 1 and columns - _taken(shown) < NAME_LEAST:
        shown.pop(-2 if shown[-1] == "errors" and len(shown) > 2 else -1)
    return shown


def _taken(shown: Sequence[str]) -> int:
    return STATE_WIDTH + 1 + sum(WIDTHS[name] + 1 for name in shown)


def _room(columns: int) -> int:
    return max(columns - _taken(_shown(columns)), 4)
