"""The command export, which writes existing load balancers as a file for apply."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from ...client import errors
from ...client.rest import Json
from ...resources import LOADBALANCER
from .. import verbs
from ..output import destination


class ExportLoadBalancer(verbs.Verb):
    """Write load balancers as a file that apply takes.

    Fields that have their default are left out, unless --full is given.
    """

    resource = LOADBALANCER
    examples = ("lb1", "--all --output lbs.yaml")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser, nargs="*", help="The load balancers (names or IDs).")
        parser.add_argument("--all", action="store_true", dest="is_all", help="All load balancers of the project.")
        parser.add_argument("--full", action="store_true", help="Write fields that have their default, too.")
        parser.add_argument("--ids", action="store_true", help="Write IDs of subnets and the like, rather than names.")
        destination.add_option(parser)

    def take_action(self, parsed: argparse.Namespace) -> None:
        from .writer import written  # imported here, because it reads YAML

        if bool(parsed.target) == parsed.is_all:
            raise errors.WrongUsage("Give names of load balancers, or --all.")
        balancers = self.tried(lambda: list(self._balancers(parsed)))
        text = written(self.services, balancers, is_full=parsed.full, with_ids=parsed.ids)
        destination.write(text, parsed.output, self.app.stdout)

    def _balancers(self, parsed: argparse.Namespace) -> Iterator[Json]:
        if parsed.is_all:
            yield from self.services.api.list(LOADBALANCER)
        for word in parsed.target:
            yield self.record(self.id(word, {}), {})
