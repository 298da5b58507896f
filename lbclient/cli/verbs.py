"""The verbs of every resource, written once."""

from __future__ import annotations

import argparse
import functools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ..client import errors, wait
from ..client.api import Parents
from ..client.names import KINDS
from ..client.rest import Json
from ..resources import AMPHORA, LOADBALANCER, Cli, Resource
from . import columns, options
from .command import Command, Lister, ShowOne, positive_seconds

Shown = tuple[Sequence[str], Any]

LOG = logging.getLogger(__name__)


class Verb(Command):
    """A command about one resource."""

    resource: Resource
    target = ""  # how the resource's name or ID is called in the usage; (the resource's word for it)

    @property
    def what(self) -> str:
        """The resource in a sentence."""
        return KINDS[self.resource.name].title

    @property
    def is_tagged(self) -> bool:
        return "tags" in self.resource

    def add_parent(self, parser: argparse.ArgumentParser) -> None:
        if self.resource.parent:
            parser.add_argument(
                "parent",
                metavar=f"<{self.resource.parent}>",
                help=f"The {KINDS[self.resource.parent].title} of the {self.what} (name or ID).",
            )

    def add_target(self, parser: argparse.ArgumentParser, **more: Any) -> None:
        """The arguments that say which object is meant."""
        self.add_parent(parser)
        called = self.target or self.resource.argument or self.resource.name
        known_by = "name or ID" if self.resource.named else "ID"
        parser.add_argument("target", metavar=f"<{called}>", **{"help": f"The {self.what} ({known_by}).", **more})

    def parents(self, parsed: argparse.Namespace) -> Parents:
        parent = self.resource.parent
        return {f"{parent}_id": self.names.id(parent, parsed.parent)} if parent else {}

    def id(self, word: str, parents: Parents) -> str:
        return self.names.id(self.resource.name, word, parents)

    def record(self, id_: str, parents: Parents) -> Json:
        """The object; it is not asked for again if looking up its name has told it."""
        known = self.names.record(self.resource.name, id_)
        return known or self.services.api.show(self.resource, id_, parents)

    def shown(self, record: Mapping[str, Any], parsed: argparse.Namespace) -> Shown:
        rows = self.resource.rows
        return rows, columns.row(self.resource, rows, dict(record), parsed.formatter)


class Waiting(Verb):
    """A command that can wait for the change that it makes."""

    @property
    def is_awaited(self) -> bool:
        """Whether a change takes a while."""
        return "provisioning_status" in self.resource

    def add_wait(self, parser: argparse.ArgumentParser) -> None:
        if not self.is_awaited:
            parser.set_defaults(wait=False, wait_timeout=wait.TIMEOUT)
            return
        parser.add_argument("--wait", action="store_true", help="Wait until the change is done.")
        # A health monitor has a --timeout of its own.
        is_free = not any(field.name == "timeout" for field in self.resource.fields)
        parser.add_argument(
            *(("--timeout", "--wait-timeout") if is_free else ("--wait-timeout",)),
            dest="wait_timeout",
            metavar="<seconds>",
            type=positive_seconds,
            default=wait.TIMEOUT,
            help="With --wait: how long to wait at most (300).",
        )

    def settled(self, record: Json, parsed: argparse.Namespace, parents: Parents) -> Json:
        """The object when the change is done, if that is to be waited for."""
        if not parsed.wait:
            return record
        deadline = wait.Deadline(parsed.wait_timeout)
        return wait.until_settled(self.services.api, self.resource, record, deadline, parents)


class Create(Waiting, ShowOne):
    """A new object."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_parent(parser)
        options.add_fields(parser, self.resource, Cli.CREATE)
        if self.is_tagged:
            options.add_tags(parser, self.what, Cli.CREATE)
        self.add_wait(parser)

    def take_action(self, parsed: argparse.Namespace) -> Shown:
        parents, record = self.tried(lambda: self._create(parsed))
        return self.shown(self.settled(record, parsed, parents), parsed)

    def check(self, values: Json) -> None:
        """Raise WrongInput for what fits no server."""

    def _create(self, parsed: argparse.Namespace) -> tuple[Parents, Json]:
        parents = self.parents(parsed)
        values = options.values(self.resource, Cli.CREATE, parsed, self.names)
        values |= options.changed_tags(parsed, Cli.CREATE, list) if self.is_tagged and parsed.tags else {}
        self.check(values)
        return parents, self.services.api.create(self.resource, values, parents)


class List(Verb, Lister):
    """All objects, or those that match."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_parent(parser)
        options.add_fields(parser, self.resource, Cli.LIST)
        if self.is_tagged:
            options.add_tag_filters(parser, self.what)

    def columns(self, parsed: argparse.Namespace) -> Sequence[str]:
        return self.resource.columns

    def take_action(self, parsed: argparse.Namespace) -> Shown:
        records = self.tried(lambda: self._list(parsed))
        names = self.columns(parsed)
        return names, [columns.row(self.resource, names, record, parsed.formatter) for record in records]

    def _list(self, parsed: argparse.Namespace) -> list[Json]:
        filters = options.values(self.resource, Cli.LIST, parsed, self.names)
        filters |= options.tag_filters(parsed) if self.is_tagged else {}
        return list(self.services.api.list(self.resource, self.parents(parsed), filters))


class Show(Verb, ShowOne):
    """One object."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)

    def take_action(self, parsed: argparse.Namespace) -> Shown:
        return self.shown(self.tried(lambda: self._record(parsed)), parsed)

    def _record(self, parsed: argparse.Namespace) -> Json:
        parents = self.parents(parsed)
        return self.record(self.id(parsed.target, parents), parents)


class _Change(Waiting):
    """Set and unset: a PUT of what was typed."""

    verb: Cli

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)
        self.add_changes(parser)
        if self.is_tagged:
            options.add_tags(parser, self.what, self.verb)
        self.add_wait(parser)

    def add_changes(self, parser: argparse.ArgumentParser) -> None:
        raise NotImplementedError

    def changes(self, parsed: argparse.Namespace) -> Json:
        raise NotImplementedError

    def take_action(self, parsed: argparse.Namespace) -> None:
        parents, record = self.tried(lambda: self._change(parsed))
        self.settled(record, parsed, parents)

    def _change(self, parsed: argparse.Namespace) -> tuple[Parents, Json]:
        values = self.changes(parsed)
        parents = self.parents(parsed)
        id_ = self.id(parsed.target, parents)
        if self.is_tagged:
            values |= options.changed_tags(parsed, self.verb, lambda: self.record(id_, parents)["tags"])
        if values:
            return parents, self.services.api.update(self.resource, id_, values, parents)
        LOG.warning("Nothing to change: no option says what.")
        return parents, self.record(id_, parents)


class Set(_Change):
    """New values."""

    verb = Cli.SET

    def add_changes(self, parser: argparse.ArgumentParser) -> None:
        options.add_fields(parser, self.resource, Cli.SET)

    def changes(self, parsed: argparse.Namespace) -> Json:
        return options.values(self.resource, Cli.SET, parsed, self.names)


class Unset(_Change):
    """Back to the defaults."""

    verb = Cli.UNSET

    def add_changes(self, parser: argparse.ArgumentParser) -> None:
        options.add_unsets(parser, self.resource)

    def changes(self, parsed: argparse.Namespace) -> Json:
        return dict(options.unsets(self.resource, parsed))


class Delete(Waiting):
    """Away with one or several."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        known_by = "names or IDs" if self.resource.named else "IDs"
        self.add_target(parser, nargs="+", help=f"What to delete ({known_by}).")
        self.add_wait(parser)

    def options(self, parsed: argparse.Namespace) -> Mapping[str, Any]:
        """What stands in the query of the request."""
        return {}

    def take_action(self, parsed: argparse.Namespace) -> None:
        failed = []
        for number, word in enumerate(parsed.target):
            try:
                self.tried(functools.partial(self._delete, word, parsed, is_first=number == 0))
            except errors.Error as error:
                if len(parsed.target) == 1:
                    raise
                LOG.error("%s: %s", word, error)
                failed.append(word)
        if failed:
            raise errors.Failed(f"{len(failed)} of {len(parsed.target)} could not be deleted: {', '.join(failed)}.")

    def _delete(self, word: str, parsed: argparse.Namespace, *, is_first: bool) -> None:
        api, parents = self.services.api, self.parents(parsed)
        id_ = self.id(word, parents)
        owner = None
        if parsed.wait and self.resource not in (LOADBALANCER, AMPHORA):
            owner = wait.loadbalancer_id(api, self.resource, self.record(id_, parents), parents)
        deadline = wait.Deadline(parsed.wait_timeout)

        def delete() -> None:
            api.delete(self.resource, id_, parents, self.options(parsed))

        if is_first:
            delete()
        else:  # the one before keeps their load balancer busy
            wait.while_busy(delete, deadline)
        if parsed.wait:
            wait.until_gone(api, self.resource, id_, deadline, parents, owner)
