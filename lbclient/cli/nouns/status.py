"""The command that shows the statuses of a load balancer and its parts."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ...resources import LOADBALANCER
from .. import verbs
from ..output import screen, tree


class ShowLoadBalancerStatus(verbs.Verb):
    """Show the statuses of a load balancer and all of its parts.

    On a terminal they are a tree; elsewhere, and with -f json, they are the API's answer.
    """

    resource = LOADBALANCER
    examples = ("lb1", "lb1 -f json")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)
        parser.add_argument(
            "-f", "--format", choices=["tree", "json"], help="How they are shown (tree on a terminal, else json)."
        )
        parser.add_argument(
            "--color",
            choices=[screen.AUTO, screen.ALWAYS, screen.NEVER],
            default=screen.AUTO,
            help="Whether the tree has colours (on a terminal, unless NO_COLOR is set).",
        )

    def take_action(self, parsed: argparse.Namespace) -> None:
        statuses = self.tried(lambda: self.services.api.status(self.resource, self.id(parsed.target, {})))
        out: Any = self.app.stdout
        if (parsed.format or ("tree" if out.isatty() else "json")) == "json":
            out.write(f"{json.dumps(statuses, indent=4)}\n")
            return
        lines = tree.ASCII if not screen.is_unicode(out) else tree.LINES
        is_coloured = screen.is_coloured(out, parsed.color)
        room = screen.columns() if out.isatty() else 0
        for line in tree.drawn(tree.tree(statuses["loadbalancer"]), lines, is_coloured, room):
            out.write(f"{line}\n")
