"""The commands that need more than the client: lab, demo and server."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import sys

from cliff.command import Command

from ..cli import help, suggestions

NEEDED = ("cryptography", "falcon", "orjson", "pyroute2", "sqlalchemy", "uvicorn")  # of the extra `server`


class _ServerCommand(Command):
    """A command that says in one line how to install what it needs."""

    auth_required = False
    examples: tuple[str, ...] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        suggestions.attach(parser, self.app)
        help.complete(parser, self.examples, self.app)
        return parser

    def get_description(self) -> str:
        return inspect.getdoc(type(self)) or ""

    def get_epilog(self) -> str:
        return ""  # cliff's own looks through everything that is installed

    def run(self, parsed_args: argparse.Namespace) -> int:
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            print(f"lbclient: {missing[0]} is missing; pip install 'lbclient[server]' brings it", file=sys.stderr)
            return 1
        return int(super().run(parsed_args))


class Lab(_ServerCommand):
    """Open a private network with the reference server in it, and run a command or a shell there.

    The guide's addresses (10.0.0.0/16, 203.0.113.0/24) are all usable inside, no root is needed, and nothing is left
    behind. The exit status is that of the command.
    """

    examples = ("", "-- openstack loadbalancer list", "-- sh -c 'guide-servers & pytest'")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "command",
            metavar="-- COMMAND …",
            nargs=argparse.REMAINDER,
            help="What to run (the shell that $SHELL names).",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from .opening import open_lab

        return open_lab(parsed_args.command[parsed_args.command[:1] == ["--"] :])


class Demo(_ServerCommand):
    """Play the load-balancing guide in a lab of its own: each command with its output, and the traffic, checked."""

    examples = ("", "--pause")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--pause", action="store_true", help="Stop after each step until Enter is pressed.")
        parser.add_argument(
            "--loopback",
            action="store_true",
            help="Use addresses out of 127.0.0.0/8 and high ports, as where namespaces are forbidden.",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from .opening import open_demo

        return open_demo(is_paused=parsed_args.pause, wants_loopback=parsed_args.loopback)


class Server(_ServerCommand):
    """Run the reference server until it is told to stop (SIGTERM or Ctrl-C); its HAProxy processes run on."""

    examples = ("--demo", "--bind-port 9877 --state-directory /var/lib/lbclient")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from ..server.config import add_arguments

        parser = super().get_parser(prog_name)
        add_arguments(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from ..server import config, main

        try:
            return main.serve(config.from_arguments(vars(parsed_args)))
        except config.ConfigError as error:
            print(f"lbclient server: {error}", file=sys.stderr)
            return 2


class ResetPassword(_ServerCommand):
    """Set a new random password for the admin or the demo user, and write it to the server's clouds.yaml.

    It takes the server's options, may be used while the server runs, and ends what was logged in with the old password.
    """

    examples = ("", "--state-directory /var/lib/lbclient")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from ..server.config import add_arguments

        parser = super().get_parser(prog_name)
        parser.add_argument("--user", choices=("admin", "demo"), default="admin", help="Whose password (admin).")
        add_arguments(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from ..server import config, main

        try:
            return main.reset_password(config.from_arguments(vars(parsed_args)), parsed_args.user)
        except config.ConfigError as error:
            print(f"lbclient server reset-password: {error}", file=sys.stderr)
            return 2
