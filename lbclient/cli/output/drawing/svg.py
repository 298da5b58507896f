"""The diagram as an SVG picture: the load balancer, its listeners and its pools in three columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from .. import screen
from ..cells import width_of
from .diagram import Box, Diagram

CHARACTER = 7.3  # width of a character in a monospaced font of SIZE, rounded up a little
SIZE = 12
ROW = 20.0
PADDING = 12.0
HEADER = 46.0
GAP = 26.0  # between boxes of a column
AISLE = 90.0  # between columns
MARGIN = 20.0
MOST_CHARACTERS = 56  # in a line of a box; longer lines are cut
DOTS = {"green": "good", "yellow": "fair", "red": "bad"}

STYLE = """
text { font: 12px "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #263238 }
.title { font-weight: bold }
.facts { fill: #607d8b }
.box { fill: #ffffff; stroke: #90a4ae; stroke-width: 1.2 }
.sheet { fill: #f7f9fa }
.rule { stroke: #cfd8dc }
.edge { fill: none; stroke: #78909c; stroke-width: 1.4 }
.tip { fill: #78909c }
.good { fill: #2e9e4f } .fair { fill: #e0a100 } .bad { fill: #d93025 } .none { fill: #b0bec5 }
@media (prefers-color-scheme: dark) {
  text { fill: #eceff1 } .facts { fill: #9fb3bd } .box { fill: #263238; stroke: #607d8b } .sheet { fill: #1b2327 }
  .rule { stroke: #455a64 } .edge { stroke: #90a4ae } .tip { fill: #90a4ae }
}
""".strip()


@dataclass
class _Placed:
    """A box with its position."""

    box: Box
    x: float
    y: float
    wide: float

    @property
    def high(self) -> float:
        return HEADER + (len(self.box.rows) * ROW + PADDING if self.box.rows else 0)

    @property
    def right(self) -> float:
        return self.x + self.wide

    @property
    def entrance(self) -> float:
        return self.y + HEADER / 2

    def row(self, number: int) -> float:
        return self.y + HEADER + PADDING / 2 + (number + 0.5) * ROW


def draw(diagram: Diagram, *, is_styled: bool = True) -> Iterator[str]:
    """Yield the lines of the picture; without styles, those of the page that it stands in apply."""
    columns = _columns(diagram)
    placed = [each for column in columns for each in column]
    wide = max(each.right for each in placed) + MARGIN
    high = max(each.y + each.high for each in placed) + MARGIN
    title = escape(f"Topology of {diagram.balancer.name}")
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high:g}" width="{wide:g}" height="{high:g}">'
    yield f"<title>{title}</title>"
    if is_styled:
        yield f"<style>\n{STYLE}\n</style>"
    yield (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="tip" d="M0,0 L8,4 L0,8 z"/></marker></defs>'
    )
    yield f'<rect class="sheet" width="{wide:g}" height="{high:g}"/>'
    for each in columns[1]:
        yield _edge(columns[0][0].right, columns[0][0].entrance, each.x, each.entrance)
    pools = {each.box.id: each for each in columns[2]}
    for each in columns[1]:
        for number, row in enumerate(each.box.rows):
            if row.leads in pools:
                yield _edge(each.right, each.row(number), pools[row.leads].x, pools[row.leads].entrance)
    for each in placed:
        yield from _box(each)
    yield "</svg>"


def _columns(diagram: Diagram) -> list[list[_Placed]]:
    """Return the boxes with their positions; columns are centred vertically."""
    columns = []
    x = MARGIN
    for boxes in ([diagram.balancer], diagram.listeners, diagram.pools):
        wide = max((_wide(box) for box in boxes), default=0.0)
        y = MARGIN
        column = []
        for box in boxes:
            column.append(_Placed(box, x, y, wide))
            y += column[-1].high + GAP
        columns.append(column)
        x += wide + AISLE
    highest = max((column[-1].y + column[-1].high for column in columns if column), default=0.0)
    for column in columns:
        down = (highest - column[-1].y - column[-1].high) / 2 if column else 0
        for each in column:
            each.y += down
    return columns


def _wide(box: Box) -> float:
    lines = [f"   {box.title}", box.facts, *(f"{row.full_text}   " for row in box.rows)]
    return max(min(width_of(line), MOST_CHARACTERS) for line in lines) * CHARACTER + 2 * PADDING


def _box(placed: _Placed) -> Iterator[str]:
    box, x = placed.box, placed.x + PADDING
    room = int((placed.wide - 2 * PADDING) / CHARACTER)
    yield f"<g><title>{escape(f'{box.title} {box.facts} {box.state}'.strip())}</title>"
    size = f'width="{placed.wide:g}" height="{placed.high:g}"'
    yield f'<rect class="box" x="{placed.x:g}" y="{placed.y:g}" {size} rx="6"/>'
    yield _dot(placed.right - PADDING, placed.y + 16, box.state)
    yield _text(x, placed.y + 20, screen.cut(box.title, room - 2), "title")
    yield _text(x, placed.y + 37, screen.cut(box.facts, room), "facts")
    if box.rows:
        y = placed.y + HEADER
        yield f'<line class="rule" x1="{placed.x:g}" y1="{y:g}" x2="{placed.right:g}" y2="{y:g}"/>'
    for number, row in enumerate(box.rows):
        y = placed.row(number)
        text = screen.cut(row.text, room - width_of(row.end) - (2 if row.state else 0))
        yield _text(x, y + 4, screen.cut(f"{text}{row.end}", room), "row")
        if row.state:
            yield _dot(placed.right - PADDING, y, row.state)
    yield "</g>"


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _dot(x: float, y: float, state: str) -> str:
    kind = DOTS.get(screen.colour_of(state), "none")
    return f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="4.5"><title>{escape(state)}</title></circle>'


def _edge(x1: float, y1: float, x2: float, y2: float) -> str:
    bend = (x2 - x1) / 2
    return (
        f'<path class="edge" marker-end="url(#tip)" d="M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g}'
        f' {x2:g},{y2:g}"/>'
    )
