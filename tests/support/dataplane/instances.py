"""A rendered tree in a running HAProxy, without a store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trees

from lbclient.dataplane.config.render import Settings, render
from lbclient.dataplane.haproxy import unprivileged
from lbclient.dataplane.haproxy.binary import find_haproxy, most_files
from lbclient.dataplane.haproxy.process import Applied, Instance


def binary() -> str:
    """The HAProxy under test: TEST_HAPROXY, else the usual one."""
    return find_haproxy(os.environ.get("TEST_HAPROXY"))


class Running:
    """One HAProxy that is given one tree after another."""

    def __init__(self, directory: Path, haproxy: str | None = None) -> None:
        self.user = unprivileged.user(None)
        self.instance = Instance(directory / trees.identity("lb"), haproxy or binary(), self.user)
        self.tree: dict[str, Any] = {}
        self.last: Applied | None = None

    def apply(self, *given: Mapping[str, Any]) -> Applied:
        """The tree with the given ones on top of it."""
        self.tree = trees.merged(self.tree, *given)
        return self.put()

    def put(self) -> Applied:
        wanted = render(trees.snapshot(self.tree), Settings(most_files=most_files(), user=self.user))
        self.last, running = None, self.last.running if self.last else None
        self.last = self.instance.apply(wanted, running)
        return self.last

    def close(self) -> None:
        self.instance.remove()
