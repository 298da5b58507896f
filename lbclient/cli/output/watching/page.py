"""The content of the live display: a page of coloured pieces, or plain lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import screen
from ..cells import width_of
from .rates import Line

Piece = tuple[str, str]  # text, colour

SORTS = ("connections", "requests", "response", "active", "received", "sent", "errors", "state", "name")
HEADINGS = {
    "connections": "CONN/S",
    "requests": "REQ/S",
    "response": "RESP",
    "active": "ACTIVE",
    "received": "IN/S",
    "sent": "OUT/S",
    "errors": "ERR/S",
}
WIDTHS = {"connections": 7, "requests": 7, "response": 7, "active": 7, "received": 8, "sent": 8, "errors": 6}
LEFT_OUT = ("active", "received", "sent", "requests", "errors", "response", "connections")  # the first at first
BATCH_WIDTHS = {
    "connections": 10, "requests": 10, "response": 8, "active": 8, "received": 12, "sent": 12, "errors": 8
}  # fmt: skip
STATE_WIDTH = 14
NAME_LEAST = 18
WORST_FIRST = ("ERROR", "PENDING_DELETE", "DEGRADED", "OFFLINE", "PENDING_UPDATE", "PENDING_CREATE")
BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")
KEYS = "q quit  s sort  r reverse  d details  space pause  +/- interval"


@dataclass
class Order:
    """The sort order of load balancers."""

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
    if name == "active":
        return line.active
    return line.response if name == "response" else line.rates.get(name)


def flat(lines: Sequence[Line]) -> list[Line]:
    """Return the lines, each followed by those below it."""
    return [one for line in lines for one in (line, *line.below)]


def heading(columns: int, order: Order) -> str:
    """Return the headings, with an arrow at the sort column."""
    arrow = "↑" if order.is_reversed else "↓"
    shown = _shown(columns, order.by)
    marked = {name: f"{HEADINGS[name]}{arrow if order.by == name else ''}" for name in shown}
    cells = [f"{marked[name]:>{WIDTHS[name]}}" for name in shown]
    name = f"NAME{arrow if order.by == 'name' else ''}"
    state = f"STATE{arrow if order.by == 'state' else ''}"
    return " ".join([screen.fit(state, STATE_WIDTH), screen.fit(name, _room(shown, columns)), *cells])


def row(line: Line, columns: int, by: str = SORTS[0]) -> list[Piece]:
    """Return the row of an object in the screen's width; the name of one without figures uses their space."""
    if not line.rates:
        return [_painted(line), (f" {_label(line, columns - STATE_WIDTH - 1)}", "")]
    shown = _shown(columns, by)
    cells = [f"{_cell(line, name):>{WIDTHS[name]}}" for name in shown]
    room = _room(shown, columns)
    name = screen.fit(_label(line, room), room)
    return [_painted(line), (f" {name} ", "" if line.depth else "bold"), (" ".join(cells), "")]


def _label(line: Line, room: int) -> str:
    tail = f" {line.tail}" if line.tail else ""
    name = f"{' ' * line.depth}{line.name}"
    return screen.cut(f"{screen.cut(name, room - width_of(tail))}{tail}", room)


def batch_heading() -> str:
    titles = {**HEADINGS, "response": "RESP_MS", "received": "IN_B/S", "sent": "OUT_B/S"}
    figures = " ".join(f"{title:>{BATCH_WIDTHS[name]}}" for name, title in titles.items())
    return f"{'TIME':<19} {figures} {'PROVISIONING':<14} {'OPERATING':<10} NAME"


def batch_row(line: Line, moment: str) -> str:
    """Return the row of an object for a pipe: figures without units, then the name, which may have blanks."""
    figures = {name: figure(line, name) for name in HEADINGS}
    cells = {name: "-" if value is None else f"{value:.1f}" for name, value in figures.items()}
    cells["active"] = cells["active"].removesuffix(".0")
    padded = " ".join(f"{cell:>{BATCH_WIDTHS[name]}}" for name, cell in cells.items())
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
    if name == "response":
        return f"{value:.0f} ms"
    if name in ("received", "sent"):
        return amount(value)
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


def _painted(line: Line) -> Piece:
    return screen.fit(line.state, STATE_WIDTH), screen.colour_of(line.state)


def _shown(columns: int, by: str) -> list[str]:
    """Return the columns that fit, and in any case the one that the lines are sorted by."""
    shown = list(WIDTHS)
    for name in LEFT_OUT:
        if columns - _taken(shown) >= NAME_LEAST or len(shown) == 1:
            break
        if name != by:
            shown.remove(name)
    return shown


def _taken(shown: Sequence[str]) -> int:
    return STATE_WIDTH + 1 + sum(WIDTHS[name] + 1 for name in shown)


def _room(shown: Sequence[str], columns: int) -> int:
    return max(columns - _taken(shown), 4)
