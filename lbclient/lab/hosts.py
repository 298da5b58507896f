"""The commands of a host: get its certificate, and run its agent."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .commands import _ServerCommand

if TYPE_CHECKING:
    from ..server.config import Config


class _AgentCommand(_ServerCommand):
    """A command of an agent, which knows where its server is."""

    options: tuple[str, ...] = ("state_directory",)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from ..server.config_sources import add_arguments

        parser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<address:port>", help="Where the server listens for agents.")
        self.add_arguments(parser)
        parser.add_argument(
            "file",
            metavar="<file>",
            type=Path,
            nargs="?",
            help="Its key and certificate (agent.pem in its state directory).",
        )
        add_arguments(parser, self.options)
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments between the server and the file."""

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from ..agent.identity import FILE
        from ..server import option_values
        from ..server.config import ConfigError
        from ..server.config_sources import from_arguments

        try:
            wanted = from_arguments(vars(parsed_args))
            place = option_values.place(parsed_args.server)
        except ConfigError as error:
            print(f"lbclient agent: {error}", file=sys.stderr)
            return 2
        except ValueError as error:
            print(f"lbclient agent: {parsed_args.server!r} is not allowed: {error}.", file=sys.stderr)
            return 2
        return self.act(parsed_args, place, parsed_args.file or wanted.state_directory / FILE, wanted)

    def act(self, parsed: argparse.Namespace, place: tuple[str, int], file: Path, wanted: Config) -> int:
        raise NotImplementedError


class EnrollAgent(_AgentCommand):
    """Make a key for this host, and get a certificate for it with the token that lbclient host enroll shows.

    The key does not leave the host, and the server is known by the token. The agent renews the certificate by itself.
    """

    examples = ("192.0.2.1:9878 nJ5…aQ0.8rB…x3E --state-directory /var/lib/lbclient-agent",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("token", metavar="<token>", help="What lbclient host enroll shows; it works once.")

    def act(self, parsed: argparse.Namespace, place: tuple[str, int], file: Path, wanted: Config) -> int:
        from ..agent import identity
        from ..agent.connection import Refused, Unreachable

        try:
            wanted.state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            name = identity.enroll(place, parsed.token, file)
        except (identity.Unusable, Refused, Unreachable) as error:
            print(f"lbclient agent: {error}.", file=sys.stderr)
            return 1
        except OSError as error:
            print(f"lbclient agent: {error.filename}: {error.strerror}.", file=sys.stderr)
            return 1
        print(f"{file}: this host is {name}.")
        return 0


class RunAgent(_AgentCommand):
    """Run load balancers on this host for a server on another, until SIGTERM or Ctrl-C; HAProxy processes run on."""

    options = ("state_directory", "attachment", "interface", "announce", "haproxy")
    examples = ("192.0.2.1:9878 --attachment interface --state-directory /var/lib/lbclient-agent",)

    def act(self, parsed: argparse.Namespace, place: tuple[str, int], file: Path, wanted: Config) -> int:
        from ..agent import main

        return main.run(
            main.Settings(
                *place,
                file,
                wanted.state_directory,
                wanted.attachment,
                tuple((each.interface, each.network) for each in wanted.interface),
                wanted.haproxy,
                wanted.is_announcing,
            )
        )
