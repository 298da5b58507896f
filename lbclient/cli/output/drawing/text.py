"""The diagram as text in box-drawing characters, fitted to a number of columns."""

from __future__ import annotations

from collections.abc import Iterator

from .. import screen
from ..cells import width_of
from .diagram import Box, Diagram, Row

PLAIN = str.maketrans("┌┐└┘─│├┤┬▶→…", "++++-|+++>>~")


def draw(diagram: Diagram, columns: int, *, is_coloured: bool = False, is_unicode: bool = True) -> Iterator[str]:
    """Yield the lines of the picture, none of them wider than the given number of columns."""
    names = {box.id: box.name for box in diagram.pools}
    below = [*diagram.listeners, *diagram.pools]
    lines = _Lines(columns, is_coloured, names)
    found = [*lines.top(diagram.balancer, is_alone=not below)]
    for number, box in enumerate(below, 1):
        found += lines.box(box, is_last=number == len(below))
    return iter(found if is_unicode else [line.translate(PLAIN) for line in found])


class _Lines:
    """The settings that all lines share."""

    def __init__(self, columns: int, is_coloured: bool, pools: dict[str, str]) -> None:
        self.columns = columns
        self.is_coloured = is_coloured
        self.pools = pools

    def top(self, box: Box, *, is_alone: bool) -> Iterator[str]:
        wide = self.columns - 2
        yield f"┌{'─' * wide}┐"
        yield f"│{self._sides(f' {box.title}  {box.facts}', box.state, wide - 1)} │"
        yield f"└{'─' * wide}┘" if is_alone else f"└─┬{'─' * (wide - 2)}┘"

    def box(self, box: Box, *, is_last: bool) -> Iterator[str]:
        trunk = "     " if is_last else "  │  "
        wide = self.columns - 7
        yield f"  │  ┌{'─' * wide}┐"
        yield f"  {'└' if is_last else '├'}──┤{self._sides(f' {box.title}  {box.facts}', box.state, wide - 1)} │"
        yield f"{trunk}└{'─┬' + '─' * (wide - 2) if box.rows else '─' * wide}┘"
        for number, row in enumerate(box.rows, 1):
            corner = "└─ " if number == len(box.rows) else "├─ "
            yield f"{trunk}  {corner}{self._row(row, wide - 4)}".rstrip()

    def _row(self, row: Row, wide: int) -> str:
        end = f" ─▶ pool {self.pools.get(row.leads, row.leads)}" if row.leads else row.end
        if not end:
            return self._sides(row.text, row.state, wide)
        end = screen.cut(end, wide // 2)
        return f"{screen.cut(row.text, wide - width_of(end))}{end}"

    def _sides(self, left: str, right: str, wide: int) -> str:
        """Return a line with a text at each side; the left text is cut if necessary."""
        room = wide - width_of(right) - (1 if right else 0)
        painted = screen.paint(right, screen.colour_of(right), self.is_coloured)
        return f"{screen.fit(left, room)}{' ' if right else ''}{painted}"
