"""The commands that need more than the client: lab, demo, server."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..cli.command import positive_seconds
from ..cli.local import LocalCommand

NEEDED = ("cryptography", "falcon", "orjson", "pyroute2", "sqlalchemy", "uvicorn")  # packages of the extra `server`
MOST_HOSTS = 9


class _ServerCommand(LocalCommand):
    """A command that says in one line how to install what it needs."""

    auth_required = False

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

    With --hosts, the load balancers run on that many hosts, which are network namespaces on a bridge, with keepalived
    and nftables. The command `power off host1` kills one, `power on host1` brings it back.
    """

    examples = ("", "-- openstack loadbalancer list", "-- sh -c 'guide-servers & pytest'", "--hosts 3")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--hosts",
            metavar="<number>",
            type=int,
            choices=range(2, MOST_HOSTS + 1),
            help=f"Run load balancers on hosts of their own: 2 to {MOST_HOSTS}.",
        )
        parser.add_argument(
            "command",
            metavar="-- COMMAND …",
            nargs=argparse.REMAINDER,
            help="What to run (the shell that $SHELL names).",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from .opening import open_lab, open_lab_with_hosts

        command = parsed_args.command[parsed_args.command[:1] == ["--"] :]
        return open_lab_with_hosts(parsed_args.hosts, command) if parsed_args.hosts else open_lab(command)


class Demo(_ServerCommand):
    """Play the load-balancing guide in a lab of its own: each command with its output, and the traffic, checked.

    With --failover, play how a load balancer on two of three hosts survives the death of a host, its return, and a
    planned move, and measure each from a client.
    """

    examples = ("", "--pause", "--full", "--failover")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--pause", action="store_true", help="Stop after each step until Enter is pressed.")
        parser.add_argument("--full", action="store_true", help="Print the whole table of every object.")
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument(
            "--failover",
            action="store_true",
            help="Play the death of a host, its return and a planned move instead. It needs keepalived and nftables.",
        )
        kind.add_argument(
            "--loopback",
            action="store_true",
            help="Use addresses out of 127.0.0.0/8 and high ports, as where namespaces are forbidden.",
        )
        parser.add_argument(
            "--openstack",
            action="store_true",
            help="Call the openstack that is installed, which takes several times as long, instead of lbclient under "
            "that name.",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from .opening import Manner, open_demo, open_failover

        manner = Manner(parsed_args.pause, parsed_args.full, parsed_args.openstack)
        if parsed_args.failover:
            return open_failover(manner)
        return open_demo(manner, wants_loopback=parsed_args.loopback)


class Server(_ServerCommand):
    """Run the reference server until it is told to stop (SIGTERM or Ctrl-C); its HAProxy processes run on."""

    examples = (
        "--demo",
        "--bind-port 9877 --state-directory /var/lib/lbclient",
        "--detach --demo",
        "--ephemeral --testing",
        "--ephemeral --seed shop.yaml",
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from ..server.config_sources import add_arguments

        parser = super().get_parser(prog_name)
        life = parser.add_mutually_exclusive_group()
        life.add_argument(
            "--detach", action="store_true", help="Run in the background; return when the server is ready."
        )
        life.add_argument(
            "--ephemeral",
            action="store_true",
            help="Keep everything in a temporary directory, on a free port and on addresses of its own, and end with "
            "the parent process, HAProxy processes included.",
        )
        parser.add_argument(
            "--seed",
            metavar="<file>",
            type=Path,
            help="Create the projects, users, networks and load balancers of a YAML file, at the first start with a "
            "seed: all of them or, if something is wrong, nothing.",
        )
        add_arguments(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from ..server import config_sources, main
        from ..server.config import ConfigError
        from . import lifecycle

        given = vars(parsed_args)
        read = partial(config_sources.from_arguments, given)
        try:
            wanted = read()
            seed = self._seed(parsed_args.seed)
        except ConfigError as error:
            print(f"lbclient server: {error}", file=sys.stderr)
            return 2
        if parsed_args.detach:
            more = [] if seed is None else [f"--seed={parsed_args.seed.absolute()}"]
            return lifecycle.detach(wanted, [*config_sources.words(given), *more])
        if parsed_args.ephemeral:
            return lifecycle.serve_ephemerally(wanted, config_sources.names_given(given), seed)
        return main.serve(wanted, seed, read)

    def _seed(self, path: Path | None) -> Callable[[Any], None] | None:
        """Return what loads a seed file. Raises ConfigError."""
        if path is None:
            return None
        from ..server.config import ConfigError
        from ..server.testing.seeding import SeedError
        from . import seeding

        try:
            return seeding.read(path).load
        except SeedError as error:
            raise ConfigError(str(error)) from None


class _RunningServer(_ServerCommand):
    """A command about the server that uses a state directory."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--state-directory",
            metavar="<state-directory>",
            type=Path,
            help="The state directory of the server. Default: ~/.local/state/lbclient.",
        )
        return parser

    def add_timeout(self, parser: argparse.ArgumentParser, seconds: float) -> None:
        parser.add_argument(
            "--timeout",
            metavar="<seconds>",
            type=positive_seconds,
            default=seconds,
            help=f"How long to wait. Default: {seconds:g} seconds.",
        )

    def directory(self, parsed_args: argparse.Namespace) -> Path:
        from ..server.config import Config

        return (parsed_args.state_directory or Config().state_directory).expanduser().absolute()


class ServerStatus(_RunningServer):
    """Tell where the server of a state directory listens.

    The exit status is 0 if it answers, 1 if it does not, 3 if there is none.
    """

    examples = ("", "--state-directory /var/lib/lbclient")

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from . import lifecycle

        return lifecycle.status(self.directory(parsed_args))


class ServerStop(_RunningServer):
    """End the server of a state directory and wait for its end; its HAProxy processes run on."""

    examples = ("", "--timeout 5")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        self.add_timeout(parser, 30.0)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from . import lifecycle

        return lifecycle.stop(self.directory(parsed_args), parsed_args.timeout)


class ServerWait(_RunningServer):
    """Wait until the server of a state directory answers."""

    examples = ("", "--timeout 60")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        self.add_timeout(parser, 30.0)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from . import lifecycle

        return lifecycle.wait(self.directory(parsed_args), parsed_args.timeout)


class ResetPassword(_ServerCommand):
    """Set a new random password for the admin or the demo user, and write it to the server's clouds.yaml.

    It takes the server's options, may be used while the server runs, and revokes the tokens of the old password.
    """

    examples = ("", "--state-directory /var/lib/lbclient")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from ..server.config_sources import add_arguments

        parser = super().get_parser(prog_name)
        parser.add_argument("--user", choices=("admin", "demo"), default="admin", help="Whose password (admin).")
        add_arguments(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from ..server import config_sources, main
        from ..server.config import ConfigError

        try:
            return main.reset_password(config_sources.from_arguments(vars(parsed_args)), parsed_args.user)
        except ConfigError as error:
            print(f"lbclient server reset-password: {error}", file=sys.stderr)
            return 2
