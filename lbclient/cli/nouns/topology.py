"""The command that draws a load balancer."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from ...client import tree
from ...resources import LOADBALANCER
from .. import verbs
from ..output import destination, screen
from ..output.drawing import diagram, languages, svg, text

FORMATS = ("text", "mermaid", "dot", "svg")


class TopologyLoadBalancer(verbs.Verb):
    """Draw a load balancer with its listeners, policies, pools and members."""

    resource = LOADBALANCER
    examples = ("lb1", "lb1 --format svg --output lb1.svg")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)
        parser.add_argument("-f", "--format", choices=FORMATS, default="text", help="How it is drawn (text).")
        destination.add_option(parser)

    def take_action(self, parsed: argparse.Namespace) -> None:
        balancer = self.tried(lambda: self.record(self.id(parsed.target, {}), {}))
        found = diagram.of(tree.read(self.services.api, balancer))
        lines = "".join(f"{line}\n" for line in self._drawn(found, parsed))
        destination.write(lines, parsed.output, self.app.stdout)

    def _drawn(self, found: diagram.Diagram, parsed: argparse.Namespace) -> Iterator[str]:
        out: Any = self.app.stdout
        if parsed.format == "text":
            is_shown = not parsed.output
            return text.draw(
                found,
                screen.columns() if is_shown and out.isatty() else 80,
                is_coloured=is_shown and screen.is_coloured(out),
                is_unicode=not is_shown or screen.is_unicode(out),
            )
        return {"mermaid": languages.mermaid, "dot": languages.dot, "svg": svg.draw}[parsed.format](found)
