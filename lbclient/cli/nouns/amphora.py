"""The commands of amphorae, which carry the traffic of load balancers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ...client import wait
from ...resources import AMPHORA, LOADBALANCER, STATISTICS
from .. import verbs
from ..command import ShowOne

MORE_COLUMNS = ("compute_id", "cached_zone", "image_id")


class ListAmphora(verbs.List):
    """List amphorae."""

    resource = AMPHORA
    examples = ("--loadbalancer lb1", "--status ERROR --long")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--long", action="store_true", help="Show more columns.")

    def columns(self, parsed: argparse.Namespace) -> Sequence[str]:
        return (*AMPHORA.columns, *MORE_COLUMNS) if parsed.long else AMPHORA.columns


class ShowAmphora(verbs.Show):
    """Show an amphora."""

    resource = AMPHORA
    examples = ("3f3ebd4e-2c6d-4d0c-93a5-3f5f8f9f2f0a",)


class ShowAmphoraStats(verbs.Verb, ShowOne):
    """Show the counters of an amphora: the sum over its listeners, or one listener's."""

    resource = AMPHORA
    examples = ("3f3ebd4e-2c6d-4d0c-93a5-3f5f8f9f2f0a", "--listener web 3f3ebd4e-2c6d-4d0c-93a5-3f5f8f9f2f0a")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)
        parser.add_argument("--listener", metavar="<listener>", help="Only this listener's (name or ID).")

    def take_action(self, parsed: argparse.Namespace) -> verbs.Shown:
        wanted = self.names.id("listener", parsed.listener) if parsed.listener else None
        found = self.services.api.listener_statistics(parsed.target)
        counted = [each for each in found if wanted in (None, each["listener_id"])]
        return STATISTICS, [sum(each[name] for each in counted) for name in STATISTICS]


class _Act(verbs.Waiting):
    """An action on an amphora; it has finished when the load balancer is no longer PENDING."""

    resource = AMPHORA
    is_awaited = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)
        self.add_wait(parser)

    def act(self, amphora_id: str) -> None:
        raise NotImplementedError

    def take_action(self, parsed: argparse.Namespace) -> None:
        api, owner = self.services.api, None
        if parsed.wait:
            owner = api.show(AMPHORA, parsed.target)["loadbalancer_id"]
        self.written(lambda: self.act(parsed.target), parsed)
        if owner:
            wait.until_settled(api, LOADBALANCER, {"id": owner}, self.deadline(parsed))


class ConfigureAmphora(_Act):
    """Send an amphora its configuration once more."""

    examples = ("--wait 3f3ebd4e-2c6d-4d0c-93a5-3f5f8f9f2f0a",)

    def act(self, amphora_id: str) -> None:
        self.services.api.configure(amphora_id)


class FailoverAmphora(_Act):
    """Trigger a failover: replace an amphora by a new one."""

    examples = ("--wait 3f3ebd4e-2c6d-4d0c-93a5-3f5f8f9f2f0a",)

    def act(self, amphora_id: str) -> None:
        self.services.api.failover(AMPHORA, amphora_id)


class DeleteAmphora(verbs.Delete):
    """Delete amphorae whose status is ERROR."""

    resource = AMPHORA
    is_awaited = True
    examples = ("--wait 3f3ebd4e-2c6d-4d0c-93a5-3f5f8f9f2f0a",)
