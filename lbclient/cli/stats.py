"""The counters of a load balancer or of a part of it."""

from __future__ import annotations

import argparse

from ..client.rest import Json
from ..resources import STATISTICS
from . import verbs
from .command import ShowOne


class ShowStatistics(verbs.Verb, ShowOne):
    """The counters of one object."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)

    def take_action(self, parsed: argparse.Namespace) -> verbs.Shown:
        counters = self.tried(lambda: self._counters(parsed))
        return STATISTICS, [counters.get(name) for name in STATISTICS]

    def _counters(self, parsed: argparse.Namespace) -> Json:
        parents = self.parents(parsed)
        return self.services.api.statistics(self.resource, self.id(parsed.target, parents), parents)
