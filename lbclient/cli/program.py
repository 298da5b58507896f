"""The program `lbclient` as a cliff application."""

from __future__ import annotations

import argparse
import gc
import itertools
import logging
import sys
import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from .. import __doc__ as description
from .. import __version__
from ..client.safe_text import safe
from ..client.services import Services
from . import deferred, suggestions
from .command import Command
from .credentials import add_credentials, credentials
from .entry_points import Commands
from .help import Help, ShowHelp, listed, show_all
from .output.formatters import Formatters

with deferred.imports():
    from cliff.app import App

LEVELS = {0: logging.ERROR, 1: logging.WARNING, 2: logging.INFO}


class ConsoleFormatter(logging.Formatter):
    """Formats log lines for a terminal: control characters in a server's messages are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        return safe(super().format(record))


class Shell(App):
    """The stand-alone program: global options, and the services that they lead to."""

    NAME = "lbclient"
    LOG = logging.getLogger(NAME)

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = argv
        super().__init__(
            description=description,
            version=__version__,
            command_manager=Commands("lbclient.cli"),
            deferred_help=True,
        )
        self.command_manager.add_command("help", ShowHelp)

    @cached_property
    def services(self) -> Services:
        """Return the cloud's services; nothing is read or sent before they are first used."""
        from ..client.connect import connect

        return connect(credentials(self.options))

    def formatters(self, namespace: str) -> Formatters:
        return Formatters(namespace)

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = suggestions.Parser(
            prog=self.NAME, description=description, add_help=False, allow_abbrev=False, formatter_class=Help
        )
        parser.add_argument(
            "--version", action="version", version=f"{self.NAME} {version}", help="Show the version and exit."
        )
        parser.add_argument("-h", "--help", dest="deferred_help", action="store_true", help="Show this and exit.")
        loudness = parser.add_mutually_exclusive_group()
        loudness.add_argument(
            "-v",
            "--verbose",
            dest="verbose_level",
            action="count",
            default=1,
            help="Say more; twice: everything, with the requests.",
        )
        loudness.add_argument(
            "-q", "--quiet", dest="verbose_level", action="store_const", const=0, help="Say nothing but errors."
        )
        parser.add_argument("--log-file", metavar="<file>", help="Write the log into a file, too.")
        parser.add_argument("--debug", action="store_true", help="Show requests, and where errors come from.")
        add_credentials(parser, self._argv)
        return parser

    def configure_logging(self) -> None:
        level = logging.DEBUG if self.options.debug else LEVELS.get(self.options.verbose_level, logging.DEBUG)
        console = logging.StreamHandler(self.stderr)
        console.setFormatter(ConsoleFormatter(self.CONSOLE_MESSAGE_FORMAT))
        console.setLevel(level)
        logging.getLogger().addHandler(console)
        logging.getLogger().setLevel(level)
        if self.options.log_file:
            file = logging.FileHandler(self.options.log_file)
            file.setFormatter(logging.Formatter(self.LOG_FILE_MESSAGE_FORMAT))
            logging.getLogger().addHandler(file)
            logging.getLogger().setLevel(logging.DEBUG)
        # It logs warnings about problems that lbclient then reports as errors.
        logging.getLogger("keystoneauth").setLevel(logging.ERROR if level > logging.INFO else logging.NOTSET)
        if level > logging.INFO and not sys.warnoptions:
            warnings.simplefilter("ignore")  # from libraries, for instance about certificates with --insecure

    def print_help_if_requested(self) -> None:
        if self.options.deferred_help:
            show_all(self)

    def interact(self) -> None:
        """Show the help if no command is given; `lbclient shell` opens the prompt."""
        show_all(self)

    def prompt(self) -> None:
        """Read and run commands from a prompt until it is closed."""
        super().interact()

    def prepare_to_run_command(self, cmd: Any) -> None:
        if not isinstance(cmd, Command):
            gc.enable()  # the prompt may run for a long time

    def run_subcommand(self, argv: list[str]) -> int:
        if argv[0].startswith("-"):
            self.parser.error(f"no such option: {argv[0]}")
        if argv[:1] == ["help"] and argv[1:] and not argv[1].startswith("-"):
            # cliff turns `list --name x --help` into `help list --name x`: the help is about the command.
            argv = list(itertools.takewhile(lambda word: not word.startswith("-"), argv))
        try:
            self.command_manager.find_command(argv)
        except ValueError:
            return self._incomplete(argv)
        return super().run_subcommand(argv)

    def _incomplete(self, words: Sequence[str]) -> int:
        """List the commands that begin with these words; return the exit status."""
        begun = [(name, command) for name, command in self.command_manager if name.startswith(f"{' '.join(words)} ")]
        if not begun:
            self.LOG.error("%s: %s", self.NAME, self.unknown(words))
            return 2
        self.stdout.writelines(listed(begun, is_narrow=self.stdout.isatty()))
        return 0

    def unknown(self, words: Sequence[str]) -> str:
        """Return the error message for words that are not a command."""
        return suggestions.unknown(words, [name for name, _ in self.command_manager], self.NAME)
