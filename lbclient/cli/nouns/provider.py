"""The commands of providers."""

from __future__ import annotations

import argparse

from ...resources import PROVIDER
from ...resources.provider import CAPABILITIES
from .. import verbs
from ..command import Lister

COLUMNS = ("type", "name", "description")


class ListProvider(verbs.List):
    """List the providers that a load balancer can have."""

    resource = PROVIDER
    examples = ("",)


class ListProviderCapability(verbs.Verb, Lister):
    """List the capabilities that flavor profiles and availability zone profiles can set for a provider."""

    resource = PROVIDER
    examples = ("octavia", "--flavor octavia")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser, help="The name of the provider.")
        group = parser.add_mutually_exclusive_group()
        for kind in CAPABILITIES:
            flag = f"--{kind.replace('_', '-')}"
            words = f"Only what profiles of {kind.replace('_', ' ')}s can say."
            group.add_argument(flag, dest="kind", action="store_const", const=kind, help=words)

    def take_action(self, parsed: argparse.Namespace) -> verbs.Shown:
        kinds = [parsed.kind] if parsed.kind else list(CAPABILITIES)
        found = [(kind, each) for kind in kinds for each in self.services.api.capabilities(parsed.target, kind)]
        return COLUMNS, [(kind, each["name"], each["description"]) for kind, each in found]
