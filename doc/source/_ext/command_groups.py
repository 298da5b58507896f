"""The directive ``commands``: all commands about something, read from the entry points, as cliff writes them."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from cliff.sphinxext import AutoprogramCliffDirective
from sphinx.application import Sphinx

GROUP = "lbclient.cli"
SERVICE = "loadbalancer"
PAGES = Path(__file__).parents[1] / "reference"
TOGETHER = {"l7rule": "l7policy", "flavorprofile": "flavor", "availabilityzoneprofile": "availabilityzone"}


def command_names() -> list[str]:
    own = importlib.metadata.distribution("lbclient").entry_points.select(group=GROUP)
    return sorted(entry_point.name.replace("_", " ") for entry_point in own)


def page_of(name: str) -> str:
    """The page of a command: that of its noun; without one, that of load balancers."""
    first, *rest = name.split()
    if not rest:
        return "running"
    if first in ("certificate", "host", "testing"):
        return first
    if first != SERVICE:
        return "network"
    noun = TOGETHER.get(rest[0], rest[0])
    return noun if (PAGES / f"{noun}.rst").exists() else SERVICE


class Commands(AutoprogramCliffDirective):  # type: ignore[misc]
    """``.. commands:: listener``"""

    def _load_commands(self) -> dict[str, type[Any]]:
        chosen = {name for name in command_names() if page_of(name) == self.arguments[0]}
        own = importlib.metadata.distribution("lbclient").entry_points.select(group=GROUP)
        return {name: each.load() for each in own if (name := each.name.replace("_", " ")) in chosen}

    def _load_app(self) -> None:
        return None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
