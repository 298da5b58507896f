"""The full-screen display of live traffic."""

from __future__ import annotations

import curses
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ....client import errors
from .. import screen
from ..cells import width_of
from . import page
from .page import Order, Piece
from .rates import Line, Watch

LOOK = 0.1  # seconds between two checks for keys and new data
SHORTEST, LONGEST = 0.5, 60.0  # limits of the interval in seconds
NUMBERS = {"green": 1, "yellow": 2, "red": 3, "grey": 4}  # numbers of curses' colour pairs


@dataclass
class Shown:
    """The state of the screen."""

    interval: float
    order: Order
    lines: list[Line] = field(default_factory=list)
    looks: int = 0  # number of refreshes so far
    trouble: str = ""
    is_paused: bool = False
    first: int = 0  # the first visible row


class Looking(threading.Thread):
    """Looks at the load balancers meanwhile, so that keys are heard at once."""

    def __init__(self, watch: Watch, shown: Shown) -> None:
        super().__init__(daemon=True)
        self._watch = watch
        self._shown = shown
        self._soon = threading.Event()

    def run(self) -> None:
        while True:
            if not self._shown.is_paused:
                try:
                    self._shown.lines = self._watch.look()
                    self._shown.trouble = ""
                except errors.Error as error:
                    self._shown.trouble = str(error)
                self._shown.looks += 1
            # The second refresh comes soon, because rates need two samples.
            self._soon.wait(min(self._shown.interval, 1.0) if self._shown.looks == 1 else self._shown.interval)
            self._soon.clear()

    def hurry(self) -> None:
        self._soon.set()


def run(watch: Watch, interval: float, order: Order, count: int | None) -> None:
    """Show the display until q is pressed or count is reached. Raises WrongInput if the terminal is unsuitable."""
    shown = Shown(interval, order)
    looking = Looking(watch, shown)
    try:
        curses.wrapper(_loop, shown, looking, watch, count)
    except curses.error as error:
        raise errors.WrongInput(f"This terminal cannot be drawn on ({error}): use --batch.") from error
    except KeyboardInterrupt:
        return


def _loop(window: Any, shown: Shown, looking: Looking, watch: Watch, count: int | None) -> None:
    _prepare(window)
    looking.start()
    while count is None or shown.looks <= count:
        _draw(window, shown)
        key = window.getch()
        if key in (ord("q"), ord("Q")):
            return
        if key != curses.ERR:
            _press(window, key, shown, looking, watch)
    _draw(window, shown)


def _prepare(window: Any) -> None:
    curses.curs_set(0)
    window.timeout(round(LOOK * 1000))
    if curses.has_colors() and not os.environ.get("NO_COLOR"):
        curses.start_color()
        curses.use_default_colors()
        colours = (curses.COLOR_GREEN, curses.COLOR_YELLOW, curses.COLOR_RED, curses.COLOR_CYAN)
        for number, colour in enumerate(colours, 1):
            curses.init_pair(number, colour, -1)


def _press(window: Any, key: int, shown: Shown, looking: Looking, watch: Watch) -> None:
    if key == ord("s"):
        shown.order = shown.order.following()
    elif key == ord("r"):
        shown.order = Order(shown.order.by, not shown.order.is_reversed)
    elif key == ord(" "):
        shown.is_paused = not shown.is_paused
    elif key == ord("d"):
        watch.is_detailed = not watch.is_detailed
        looking.hurry()
    elif key in (ord("+"), ord("-")):
        factor = 2 if key == ord("+") else 0.5
        shown.interval = min(max(shown.interval * factor, SHORTEST), LONGEST)
        looking.hurry()
    elif key == curses.KEY_RESIZE:
        window.clear()
    elif key in MOVES:
        shown.first = max(0, shown.first + MOVES[key])


def _draw(window: Any, shown: Shown) -> None:
    window.erase()
    high, wide = window.getmaxyx()
    lines = page.flat(shown.order.sorted(shown.lines))
    room = max(high - 3, 1)
    shown.first = min(shown.first, max(0, len(lines) - room))
    put = _writer(window)
    put(0, [(_summary(shown), "bold")])
    put(1, [(page.heading(wide - 1, shown.order), "reverse")])
    for number, line in enumerate(lines[shown.first : shown.first + room]):
        put(2 + number, page.row(line, wide - 1, shown.order.by))
    if not lines:
        put(2, [("looking …" if not shown.looks else "no load balancers", "")])
    put(high - 1, [(shown.trouble, "red")] if shown.trouble else [(page.KEYS, "grey")])
    window.refresh()


def _summary(shown: Shown) -> str:
    count = len(shown.lines)
    bad = sum(line.state == "ERROR" for line in shown.lines)
    words = [f"{count} load balancer{'' if count == 1 else 's'}", f"{bad} in ERROR" if bad else ""]
    words += [f"every {shown.interval:g} s", "paused" if shown.is_paused else ""]
    return "  ".join(filter(None, words))


def _writer(window: Any) -> Callable[[int, list[Piece]], None]:
    high, wide = window.getmaxyx()

    def put(y: int, pieces: list[Piece]) -> None:
        """Write one line, cut to the width; the last column stays empty because writing there scrolls."""
        if y >= high:
            return
        x = 0
        for text, colour in pieces:
            if x < wide - 1:
                kept = screen.cut(text, wide - 1 - x)
                window.addstr(y, x, kept, _attribute(colour))
                x += width_of(kept)

    return put


def _attribute(colour: str) -> int:
    if colour == "bold":
        return curses.A_BOLD
    if colour == "reverse":
        return curses.A_REVERSE
    attribute = curses.A_BOLD if colour == "red" else curses.A_NORMAL
    return attribute | (curses.color_pair(NUMBERS[colour]) if colour in NUMBERS else 0)


MOVES = {curses.KEY_DOWN: 1, curses.KEY_UP: -1, curses.KEY_NPAGE: 10, curses.KEY_PPAGE: -10}
