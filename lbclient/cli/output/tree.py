"""The statuses of a load balancer and its parts as a tree."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ...client.rest import Json
from ..schema import endpoint
from . import screen
from .cells import width_of

LEAST_ROOM = 20  # columns for a reason
STATES = ("provisioning_status", "operating_status")
TOLD = {"id", "name", "type", "address", "protocol_port", "protocol", *STATES}
LINES = {"branch": "├─ ", "last": "└─ ", "trunk": "│  ", "none": "   "}
ASCII = {"branch": "|- ", "last": "`- ", "trunk": "|  ", "none": "   "}
# Key in the answer -> name of one object; None: the object's type is its name.
KINDS = {"listeners": "listener", "pools": "pool", "health_monitor": "health monitor", "members": "member"}
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass
class Node:
    """One object: its label, its states with their reasons, and its children."""

    label: str
    states: tuple[str, str]  # provisioning status, operating status
    reasons: list[str]
    children: list[Node] = field(default_factory=list)


def tree(answer: Json, kind: str = "load balancer", now: datetime | None = None) -> Node:
    """Build the tree from the answer of …/status; additional attributes are shown as reasons of the states."""
    parts = {key: value for key, value in answer.items() if isinstance(value, (list, dict)) and key in KINDS}
    node = Node(
        _label(answer, kind),
        (_state(answer, STATES[0]), _state(answer, STATES[1])),
        [screen.clean(line) for line in _reasons(answer, now or datetime.now(timezone.utc))],
    )
    for key in KINDS:  # in this order, a monitor comes before the members that it checks
        found = parts.get(key) or []
        node.children += [tree(one, KINDS[key], now) for one in (found if isinstance(found, list) else [found]) if one]
    return node


def drawn(node: Node, lines: Mapping[str, str], is_coloured: bool, room: int = 0) -> Iterator[str]:
    """Yield the lines of the tree, with the states in columns; room is the width, 0 for no limit."""
    rows = list(_rows(node, lines, "", ""))
    widths = [max(width_of(states[number]) for _, states, _ in rows) for number in range(len(STATES))]
    widest = max(width_of(label) for label, _, _ in rows)
    if room:
        widest = min(widest, room - sum(widths) - 2 * len(widths))
    for label, states, reasons in rows:
        cells = [
            screen.paint(screen.fit(state, wide), screen.colour_of(state), is_coloured)
            for state, wide in zip(states, widths, strict=True)
        ]
        yield "  ".join([screen.fit(label, widest), *cells]).rstrip()
        for before, reason in reasons:
            for line in _wrapped(reason, room - width_of(before)) if room else [reason]:
                yield screen.paint(f"{before}{line}", "grey", is_coloured)


def _wrapped(reason: str, room: int) -> list[str]:
    lines = textwrap.wrap(reason, max(room, LEAST_ROOM), subsequent_indent="  ", break_on_hyphens=False)
    return [screen.cut(line, max(room, 1)) for line in lines]


def _rows(
    node: Node, lines: Mapping[str, str], before: str, below: str
) -> Iterator[tuple[str, tuple[str, str], list[tuple[str, str]]]]:
    """Yield (label with its branch, states, lines with reasons) for each node, from the top."""
    deeper = f"{below}{lines['trunk'] if node.children else lines['none']}"
    yield f"{before}{node.label}", node.states, [(deeper, reason) for reason in node.reasons]
    for number, child in enumerate(node.children, 1):
        is_last = number == len(node.children)
        branch, trunk = ("last", "none") if is_last else ("branch", "trunk")
        yield from _rows(child, lines, f"{below}{lines[branch]}", f"{below}{lines[trunk]}")


def _state(answer: Json, name: str) -> str:
    return screen.clean(str(answer.get(name) or ""))


def _label(answer: Json, kind: str) -> str:
    where = endpoint(answer["address"], answer.get("protocol_port", 0)) if answer.get("address") else ""
    name = answer.get("name") or ("" if where or kind == "health monitor" else answer.get("id"))
    return screen.clean(" ".join(str(word) for word in (kind, answer.get("type"), name, where) if word))


def _reasons(answer: Json, now: datetime) -> Iterator[str]:
    """Yield the attributes in an answer that are not shown elsewhere."""
    for key, value in answer.items():
        if key in TOLD or key in KINDS or value in (None, "", [], {}):
            continue
        words = _words(value, now)
        yield words if key.endswith("reason") else f"{key.replace('_', ' ')}: {words}"


def _words(value: Any, now: datetime) -> str:
    if isinstance(value, Mapping) and value.get("reason"):
        return _check(value, now)
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {_words(one, now)}" for key, one in value.items() if one is not None)
    if isinstance(value, list):
        return ", ".join(_words(one, now) for one in value)
    return age(str(value), now) if isinstance(value, str) else str(value)


def _check(check: Mapping[str, Any], now: datetime) -> str:
    """Return the result of a health check, the server's short form of it, and how long it has been the same."""
    status = f" ({check['status']})" if check.get("status") else ""
    rest = [_words(one, now) for key, one in check.items() if key not in ("reason", "status") and one is not None]
    # The time is that of the first check with this result, if the server reports one.
    times = [f"for {one.removesuffix(' ago')}" if one.endswith(" ago") else one for one in rest]
    return ", ".join([f"{check['reason']}{status}", *times])


def age(text: str, now: datetime) -> str:
    """Return the age of a time (UTC); any other text unchanged."""
    try:
        then = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text
    if len(text) < len("2026-01-31T12:00"):
        return text
    seconds = max(0, round((now - (then if then.tzinfo else then.replace(tzinfo=timezone.utc))).total_seconds()))
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), (1, "s"))
    return f"{seconds // size} {unit} ago"
