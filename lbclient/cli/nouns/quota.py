"""The commands of quotas."""

from __future__ import annotations

import argparse
from typing import Any

from ...client.api import Parents
from ...client.errors import WrongUsage
from ...client.rest import Json
from ...resources import QUOTA, Cli
from ...resources.quota import SPELLINGS
from .. import options, verbs
from ..command import ShowOne


class _OfProject(verbs.Verb):
    """A command about the quota of one project."""

    resource = QUOTA

    def add_target(self, parser: argparse.ArgumentParser, **more: Any) -> None:
        super().add_target(parser, **{"help": "The project (name or ID).", **more})

    def id(self, word: str, parents: Parents) -> str:
        return self.names.id("project", word)

    def change(self, parsed: argparse.Namespace, values: Json) -> Json:
        """Change some limits, under names that every version of the API accepts."""
        sent = {SPELLINGS.get(name, name): value for name, value in values.items()}
        return self.services.api.update(QUOTA, self.id(parsed.target, {}), sent)


class ListQuota(verbs.List):
    """List the quotas of projects that have a quota of their own."""

    resource = QUOTA
    examples = ("--project demo",)


class ShowQuota(_OfProject, verbs.Show):
    """Show the quota of a project."""

    examples = ("demo",)


class ShowQuotaDefaults(verbs.Verb, ShowOne):
    """Show the default quota, that of projects without a quota of their own."""

    resource = QUOTA
    examples = ("",)

    def take_action(self, parsed: argparse.Namespace) -> verbs.Shown:
        return self.shown(self.services.api.show(QUOTA, "defaults"), parsed)


class SetQuota(_OfProject, ShowOne):
    """Change the quota of a project: how many objects of each kind it may have."""

    examples = ("--loadbalancer 5 --listener -1 demo",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)
        options.add_fields(parser, QUOTA, Cli.SET)

    def take_action(self, parsed: argparse.Namespace) -> verbs.Shown:
        values = options.values(QUOTA, Cli.SET, parsed, self.names)
        if not values:
            flags = ", ".join(f"--{field.name}" for field in options.fields_of(QUOTA, Cli.SET))
            raise WrongUsage(f"Nothing to set: give at least one of {flags}.")
        return self.shown(self.change(parsed, values), parsed)


class UnsetQuota(_OfProject):
    """Reset limits of a project to their defaults."""

    examples = ("--loadbalancer demo",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)
        options.add_unsets(parser, QUOTA)

    def take_action(self, parsed: argparse.Namespace) -> None:
        values = dict(options.unsets(QUOTA, parsed))
        if values:
            self.change(parsed, values)
        else:
            verbs.LOG.warning("Nothing to change: no option says what.")


class ResetQuota(_OfProject):
    """Reset all limits of a project to their defaults."""

    examples = ("demo",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)

    def take_action(self, parsed: argparse.Namespace) -> None:
        self.services.api.delete(QUOTA, self.id(parsed.target, {}))
