"""The commands for operators of a server: check the configuration, back up, restore."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..strings import reason
from .commands import _ServerCommand

if TYPE_CHECKING:
    from ..server.config import Config
    from ..store.store import Store

PLACES = ("state_directory", "database")


class _Maintenance(_ServerCommand):
    """A command about the files of a server, by the server's own configuration."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from ..server.config_sources import add_arguments

        parser = super().get_parser(prog_name)
        self.add_arguments(parser)
        add_arguments(parser, PLACES)
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this command to its parser."""

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from sqlalchemy.exc import SQLAlchemyError

        from ..server import backup, key_archive, state
        from ..server.config import ConfigError
        from ..server.config_sources import from_arguments
        from ..server.preparation import DatabaseError
        from ..store.migrations import Unfit

        try:
            wanted = from_arguments(vars(parsed_args))
            return self.carry_out(parsed_args, wanted)
        except (
            backup.BackupError,
            key_archive.ArchiveError,
            ConfigError,
            DatabaseError,
            Unfit,
            state.StateError,
        ) as error:
            print(f"lbclient server: {error}", file=sys.stderr)
        except SQLAlchemyError as error:
            why = reason(getattr(error, "orig", None) or error)
            print(f"lbclient server: The database cannot be used: {why}.", file=sys.stderr)
        except OSError as error:
            print(f"lbclient server: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 1

    def carry_out(self, parsed: argparse.Namespace, wanted: Config) -> int:
        raise NotImplementedError


def _store(wanted: Config) -> Store:
    from ..store.store import Store

    return Store(wanted.database_url)


class BackupServer(_Maintenance):
    """Save everything that a server's database has to a file, also while the server runs.

    Certificates are sealed in it. With --keys, the keys that open them, and clouds.yaml, go to another file. Keep the
    two files apart: together they open every private key.
    """

    examples = ("backup.gz", "backup.gz --keys keys.tar.gz --state-directory /var/lib/lbclient")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", metavar="<file>", type=Path, help="The new file of the backup.")
        parser.add_argument(
            "--keys", metavar="<file>", dest="key_file", type=Path, help="The new file of the keys and clouds.yaml."
        )

    def carry_out(self, parsed: argparse.Namespace, wanted: Config) -> int:
        from ..server import backup

        if wanted.database is None and not (wanted.state_directory / "lbclient.sqlite").exists():
            raise backup.BackupError(f"There is no database in {wanted.state_directory}.")
        store = _store(wanted)
        try:
            saved = backup.save(wanted, store, parsed.file, parsed.key_file)
        finally:
            store.close()
        print(f"{parsed.file}: {saved.rows} rows.")
        if parsed.key_file:
            print(f"{parsed.key_file}: {', '.join(saved.keys.names)}.")
        if wanted.master_key:
            print(f"The master key {wanted.master_key} is in neither: keep a copy of it.")
        return 0


class RestoreServer(_Maintenance):
    """Bring a backup into a new state directory and an empty database; then start the server.

    The start brings up every load balancer of the backup. Both files are checked first, and if anything fails, the
    state directory and the database are as before.
    """

    examples = ("backup.gz --keys keys.tar.gz", "backup.gz --keys keys.tar.gz --database postgresql://db/lbclient")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", metavar="<file>", type=Path, help="The file of the backup.")
        parser.add_argument(
            "--keys",
            dest="key_file",  # `keys` is an option of the server
            metavar="<file>",
            type=Path,
            required=True,
            help="The file of the keys: without them, certificates could not be read and tokens not be checked.",
        )

    def carry_out(self, parsed: argparse.Namespace, wanted: Config) -> int:
        from ..server import backup

        found = backup.load(parsed.file, parsed.key_file)
        backup.restore(wanted, found)
        print(f"{found.rows} rows, and {', '.join(found.keys.names)}.")
        return 0


class CheckConfig(_ServerCommand):
    """Check whether a server would start with a configuration, and show what it comes to.

    Everything is checked that the start refuses: options, files, the HAProxy, rights, interfaces, ports and the
    database. Nothing is started, changed or created. The exit status is 2 if the server would not start. A server that
    runs already with the same state directory is not disturbed.
    """

    examples = ("--config-file /etc/lbclient/server.ini",)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from ..server.config_sources import add_arguments

        parser = super().get_parser(prog_name)
        add_arguments(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from ..server import preflight
        from ..server.config_sources import from_arguments, shown

        try:
            wanted = from_arguments(vars(parsed_args))
            preflight.rehearse(wanted)
        except preflight.REFUSALS as error:
            print(f"lbclient server: {error}", file=sys.stderr)
            return 2
        for name, value in shown(wanted).items():
            print(f"{name} = {value}")
        return 0
