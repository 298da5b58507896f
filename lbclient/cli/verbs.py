"""The base classes of the commands create, set, show, list and so on, for every resource."""

from __future__ import annotations

import argparse
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ..client import errors, wait
from ..client.api import Parents
from ..client.names import KINDS
from ..client.rest import Json
from ..resources import AMPHORA, LOADBALANCER, Cli, Resource
from . import options, suggestions
from .command import Command, Lister, ShowOne, positive_seconds
from .output import columns

Shown = tuple[Sequence[str], Any]
T = TypeVar("T")

LOG = logging.getLogger(__name__)


class Verb(Command):
    """A command about one resource."""

    resource: Resource
    target = ""  # metavar of the resource's name or ID in the usage; default: the resource's name

    @property
    def what(self) -> str:
        """Return the resource's name for use in a sentence."""
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
        """Add the arguments that name the object."""
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
        """Return the object, from the name lookup if that has already returned it."""
        known = self.names.record(self.resource.name, id_)
        return known or self.services.api.show(self.resource, id_, parents)

    def shown(self, record: Mapping[str, Any], parsed: argparse.Namespace) -> Shown:
        rows = self.resource.rows
        return rows, columns.row(self.resource, rows, dict(record), parsed.formatter)


class Waiting(Verb):
    """A command that changes something, and can wait for its turn and for the end of the change."""

    _deadline: wait.Deadline | None = None

    @property
    def is_awaited(self) -> bool:
        """Return whether changes of this resource are asynchronous."""
        return "provisioning_status" in self.resource

    def add_wait(self, parser: argparse.ArgumentParser) -> None:
        if not self.is_awaited:
            parser.set_defaults(wait=False, wait_timeout=wait.TIMEOUT, retry_on_conflict=False)
            return
        parser.add_argument("--wait", action="store_true", help="Wait until the change is done.")
        parser.add_argument(
            "--retry-on-conflict",
            action="store_true",
            help="While the load balancer is busy with another change, wait for its end rather than fail.",
        )
        # A health monitor has a --timeout of its own.
        is_free = not any(field.name == "timeout" for field in self.resource.fields)
        parser.add_argument(
            *(("--timeout", "--wait-timeout") if is_free else ("--wait-timeout",)),
            dest="wait_timeout",
            metavar="<seconds>",
            type=positive_seconds,
            default=wait.TIMEOUT,
            help="With --wait and --retry-on-conflict: how long to wait at most (300).",
        )

    def deadline(self, parsed: argparse.Namespace) -> wait.Deadline:
        """Return the deadline for both waits, before and after the change; it starts with the first call."""
        if self._deadline is None:
            self._deadline = wait.Deadline(parsed.wait_timeout, self.progress if self.progress.is_shown else None)
        return self._deadline

    def written(
        self, change: Callable[[], T], parsed: argparse.Namespace, values: Mapping[str, Any] | None = None
    ) -> T:
        """Make a change and return its result, with retries on conflicts if wanted; add hints to refusals."""
        api = self.services.api
        try:
            if parsed.retry_on_conflict:
                return wait.while_busy(api, change, self.deadline(parsed))
            return change()
        except errors.Busy as refusal:
            from ..client import reasons  # imported late: most changes are not refused

            if parsed.retry_on_conflict and self.deadline(parsed).is_over:
                tried = f"it was tried for {parsed.wait_timeout:g} seconds."
                raise errors.TimedOut(str(reasons.busy(api, refusal, tried))) from refusal
            raise reasons.busy(api, refusal) from refusal
        except errors.BadRequest as refusal:
            from . import hints

            raise hints.hinted(refusal, self.resource, values or {}) from refusal
        except errors.Conflict as refusal:
            from . import hints

            raise hints.conflict(refusal, api, self.resource, values or {}) from refusal

    def settled(self, record: Json, parsed: argparse.Namespace, parents: Parents) -> Json:
        """Return the object, with --wait after its change is complete."""
        if not parsed.wait:
            return record
        return wait.until_settled(self.services.api, self.resource, record, self.deadline(parsed), parents)


def in_turn(parsed: argparse.Namespace, number: int) -> argparse.Namespace:
    """Return the options for one of several objects: from the second on, retry while their load balancer is busy."""
    return argparse.Namespace(**{**vars(parsed), "retry_on_conflict": True}) if number else parsed


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
        """Raise WrongInput for values that no server accepts."""

    def _create(self, parsed: argparse.Namespace) -> tuple[Parents, Json]:
        parents = self.parents(parsed)
        values = options.values(self.resource, Cli.CREATE, parsed, self.names)
        values |= options.changed_tags(parsed, Cli.CREATE, list) if self.is_tagged and parsed.tags else {}
        self.check(values)
        api = self.services.api
        return parents, self.written(lambda: api.create(self.resource, values, parents), parsed, values)


class List(Verb, Lister):
    """All objects, or those that match."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_parent(parser)
        options.add_fields(parser, self.resource, Cli.LIST)
        if self.is_tagged:
            options.add_tag_filters(parser, self.what)
        self.add_watch(parser)

    def columns(self, parsed: argparse.Namespace) -> Sequence[str]:
        return self.resource.columns

    def take_action(self, parsed: argparse.Namespace) -> Shown:
        records = self.tried(lambda: self._list(parsed))
        names = self.columns(parsed)
        return names, [columns.row(self.resource, names, record, parsed.formatter) for record in records]

    def _list(self, parsed: argparse.Namespace) -> list[Json]:
        filters = options.values(self.resource, Cli.LIST, parsed, self.names)
        filters |= options.tag_filters(parsed) if self.is_tagged else {}
        found = self.services.api.list(self.resource, self.parents(parsed), filters)
        return list(self.progress.counted(found, self.what, KINDS[self.resource.name].titles))


class Show(Verb, ShowOne):
    """One object."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser)
        self.add_watch(parser)

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
            api = self.services.api
            return parents, self.written(lambda: api.update(self.resource, id_, values, parents), parsed, values)
        LOG.warning("Nothing to change: no option says what.")
        return parents, self.record(id_, parents)


class Set(_Change):
    """New values."""

    verb = Cli.SET

    def add_changes(self, parser: argparse.ArgumentParser) -> None:
        options.add_fields(parser, self.resource, Cli.SET)
        if isinstance(parser, suggestions.Parser):
            fixed = set(options.flags(self.resource, Cli.CREATE)) - set(options.flags(self.resource, Cli.SET))
            parser.fixed = {flag: f"{flag} of a {self.what} is said when it is created, and stays." for flag in fixed}

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
        """Return the parameters of the request's query string."""
        return {}

    def take_action(self, parsed: argparse.Namespace) -> None:
        failed: list[str] = []
        statuses: set[int] = set()
        for number, word in enumerate(parsed.target):
            try:
                self.tried(functools.partial(self._delete, word, parsed, is_first=number == 0))
            except errors.Error as error:
                if len(parsed.target) == 1:
                    raise
                self.progress.clear()
                LOG.error("%s: %s", word, error)
                failed.append(word)
                statuses.add(error.exit_status)
        if failed:
            message = f"{len(failed)} of {len(parsed.target)} could not be deleted: {', '.join(failed)}."
            raise (errors.TimedOut if statuses == {errors.TimedOut.exit_status} else errors.Failed)(message)

    def _delete(self, word: str, parsed: argparse.Namespace, *, is_first: bool) -> None:
        api, parents = self.services.api, self.parents(parsed)
        id_ = self.id(word, parents)
        owner = None
        if parsed.wait and self.resource not in (LOADBALANCER, AMPHORA):
            owner = wait.loadbalancer_id(api, self.resource, self.record(id_, parents), parents)

        def delete() -> None:
            api.delete(self.resource, id_, parents, self.options(parsed))

        self._deadline = None  # each object has its own deadline
        self.written(delete, in_turn(parsed, 0 if is_first else 1))
        if parsed.wait:
            wait.until_gone(api, self.resource, id_, self.deadline(parsed), parents, owner)
