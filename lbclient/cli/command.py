"""The base class of all commands, in `lbclient` and in `openstack`."""

from __future__ import annotations

import argparse
import inspect
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, TypeVar

from ..client import similar
from ..client.errors import Error, NotFound, WrongUsage
from ..client.names import Names
from ..client.services import Services
from . import deferred

with deferred.imports():
    from cliff import command, lister, show

from . import help, suggestions
from .output.progress import Progress

T = TypeVar("T")

LOG = logging.getLogger(__name__)

INTERVAL = 2.0  # seconds between two refreshes of --watch
CLEARED = "\x1b[H\x1b[2J"  # clears the terminal and moves the cursor to its top left corner


class Command(command.Command):
    """A command that speaks to a cloud."""

    examples: tuple[str, ...] = ()  # arguments after the command's name, for the help

    @cached_property
    def services(self) -> Services:
        """Return the services that the command uses."""
        return self.connect()

    def connect(self) -> Services:
        """Return the services of the selected cloud."""
        app: Any = self.app
        if is_standalone(app):
            services: Services = app.services
            return services
        from . import plugin

        return plugin.make_client(app.client_manager)

    @cached_property
    def names(self) -> Names:
        return Names(self.services)

    @cached_property
    def progress(self) -> Progress:
        return Progress(self.app)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        suggestions.attach(parser, self.app)
        help.complete(parser, self.examples, self.app)
        self.add_arguments(parser)
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this command to its parser."""

    def get_description(self) -> str:
        return inspect.getdoc(type(self)) or ""

    def get_epilog(self) -> str:
        # cliff's own scans all installed distributions for the one that a command comes from.
        return ""

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command and return its exit status; raise errors that have no exit status of their own."""
        try:
            return super().run(parsed_args)
        except Error as error:
            if error.exit_status == Error.exit_status or getattr(getattr(self.app, "options", None), "debug", False):
                raise
            self.progress.clear()
            LOG.error(error)
            return error.exit_status
        finally:
            self.progress.clear()

    def tried(self, action: Callable[[], T]) -> T:
        """Return the action's result; repeat it once after NotFound if a word that looks like an ID is a name."""
        try:
            return action()
        except NotFound:
            if not self.names.confirm():
                raise
            return action()

    def _load_hooks(self) -> None:
        # lbclient has no hooks, and cliff's search for them is slow.
        if is_standalone(self.app):
            self._hooks: Any = []
        else:
            super()._load_hooks()


class _Display(Command):
    """A command that prints its result in one of several formats, once or again and again."""

    def add_watch(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--watch", action="store_true", help="Show it again and again, until Ctrl-C.")
        parser.add_argument(
            "--interval",
            metavar="<seconds>",
            type=positive_seconds,
            default=INTERVAL,
            help=f"With --watch: how long to wait in between ({INTERVAL:g}).",
        )

    def run(self, parsed_args: argparse.Namespace) -> int:
        status = super().run(parsed_args)
        out: Any = getattr(self.app, "stdout", None)
        while status == 0 and getattr(parsed_args, "watch", False):
            out.flush()
            time.sleep(parsed_args.interval)
            vars(self).pop("names", None)  # it caches objects from the last run
            if out.isatty():
                out.write(CLEARED)
            status = super().run(parsed_args)
        return status

    def _load_formatter_plugins(self) -> Any:
        if is_standalone(self.app):
            return self.app.formatters(self.formatter_namespace)  # type: ignore[attr-defined]
        return super()._load_formatter_plugins()  # type: ignore[misc]

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Any]) -> int:
        from .output.formatters import SafeFormatter

        display: Any = self
        display.formatter = SafeFormatter(display.formatter)
        return int(super().produce_output(parsed_args, column_names, data))  # type: ignore[misc]


class Lister(_Display, lister.Lister):
    """A command that shows a list."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        self._formatter_group.add_argument(
            "--wide", action="store_true", help="All columns, even where the terminal is too narrow for them."
        )
        return parser

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Sequence[Any]]
    ) -> int:
        known = {_normal(name) for name in column_names}
        for column in parsed_args.sort_columns:
            if _normal(column) not in known:
                question = similar.question(similar.closest(column, column_names))
                raise WrongUsage(f"--sort-column: no column is '{column}'. {question or _columns(column_names)}")
        return int(super().produce_output(parsed_args, column_names, data))


class ShowOne(_Display, show.ShowOne):
    """A command that shows one object."""


def _columns(names: Sequence[str]) -> str:
    return f"There are {', '.join(names)}."


def is_standalone(app: Any) -> bool:
    """Whether this is `lbclient`, rather than `openstack`."""
    return hasattr(app, "formatters")


def positive_seconds(text: str) -> float:
    """The value of a timeout."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds above 0")
    return seconds


def _normal(column_name: str) -> str:
    """The name of a column as cliff compares names."""
    return column_name.lower().strip().replace(" ", "_")
