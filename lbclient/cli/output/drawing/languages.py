"""The diagram in the languages of Mermaid and Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from .diagram import Box, Diagram

FILLS = {"ONLINE": "#d3f2d9", "DEGRADED": "#fdf0c4", "DRAINING": "#fdf0c4", "ERROR": "#fbd5d5"}
OTHER_FILL = "#eceff1"
LINE = "#546e7a"


def mermaid(diagram: Diagram) -> Iterator[str]:
    """Yield the lines of a Mermaid flowchart."""
    ids = _ids(diagram)
    yield "flowchart LR"
    for box in _boxes(diagram):
        lines = [f"<b>{_entities(box.title)}</b>", _entities(box.facts)]
        if box.kind == "pool":
            lines += [_entities(_stated(row.text, row.state)) for row in box.rows]
        yield f'    {ids[box.id]}["{"<br/>".join(lines)}"]:::{_class(box.state)}'
    for box in diagram.listeners:
        yield f"    {ids[diagram.balancer.id]} --> {ids[box.id]}"
    for box in diagram.listeners:
        for number, row in enumerate(box.rows, 1):
            if row.leads in ids:
                yield f'    {ids[box.id]} -->|"{_entities(row.text)}"| {ids[row.leads]}'
            else:
                yield f'    {ids[box.id]} --> {ids[box.id]}r{number}(["{_entities(row.full_text)}"])'
    for state in ("ONLINE", "DEGRADED", "ERROR", "OFFLINE"):
        yield f"    classDef {state.lower()} fill:{FILLS.get(state, OTHER_FILL)},stroke:{LINE},color:#263238"


def dot(diagram: Diagram) -> Iterator[str]:
    """Yield the lines of a Graphviz digraph."""
    ids = _ids(diagram)
    yield f"digraph {_quoted(diagram.balancer.name)} {{"
    yield "    rankdir=LR"
    yield f'    node [shape=box style="rounded,filled" fontname="sans-serif" color="{LINE}"]'
    yield f'    edge [fontname="sans-serif" fontsize=10 color="{LINE}"]'
    for box in _boxes(diagram):
        lines = [box.title, box.facts]
        if box.kind == "pool":
            lines += [_stated(row.text, row.state) for row in box.rows]
        yield f'    {ids[box.id]} [label={_quoted(*lines)} fillcolor="{FILLS.get(box.state, OTHER_FILL)}"]'
    for box in diagram.listeners:
        yield f"    {ids[diagram.balancer.id]} -> {ids[box.id]}"
    for box in diagram.listeners:
        for number, row in enumerate(box.rows, 1):
            if row.leads in ids:
                yield f"    {ids[box.id]} -> {ids[row.leads]} [label={_quoted(row.text)}]"
            else:
                yield f"    {ids[box.id]}r{number} [shape=plaintext style=solid label={_quoted(row.full_text)}]"
                yield f"    {ids[box.id]} -> {ids[box.id]}r{number}"
    yield "}"


def _boxes(diagram: Diagram) -> list[Box]:
    return [diagram.balancer, *diagram.listeners, *diagram.pools]


def _ids(diagram: Diagram) -> dict[str, str]:
    """Map the IDs of boxes to short identifiers."""
    listeners = {box.id: f"l{number}" for number, box in enumerate(diagram.listeners, 1)}
    return {
        diagram.balancer.id: "lb",
        **listeners,
        **{box.id: f"p{number}" for number, box in enumerate(diagram.pools, 1)},
    }


def _stated(text: str, state: str) -> str:
    return f"{text} {state}".strip()


def _class(state: str) -> str:
    return {"ONLINE": "online", "ERROR": "error", "DEGRADED": "degraded", "DRAINING": "degraded"}.get(state, "offline")


def _entities(text: str) -> str:
    """Return a text with the special characters of Mermaid and HTML escaped."""
    return "".join(char if char.isalnum() or char in " .,:/-_" else f"#{ord(char)};" for char in text)


def _quoted(*lines: str) -> str:
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    joined = "\\n".join(escaped)
    return f'"{joined}"'
