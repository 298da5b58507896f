"""The commands of hosts: enrol and manage them on the server's machine, and run an agent on each."""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .commands import _ServerCommand
from .maintenance import _Maintenance

if TYPE_CHECKING:
    import sqlalchemy as sa

    from ..server.config import Config
    from ..store.records import HostRecord


class Refusal(Exception):
    """The command cannot be carried out; the text says why."""


class _Host(_Maintenance):
    """A command about hosts, in the database of the server; a running server sees the change within a second."""

    def carry_out(self, parsed: argparse.Namespace, wanted: Config) -> int:
        from ..store.store import Store

        if wanted.database is None and not (wanted.state_directory / "lbclient.sqlite").exists():
            print(f"lbclient: There is no database in {wanted.state_directory}.", file=sys.stderr)
            return 1
        store = Store(wanted.database_url)
        try:
            with store.writing() as tx:
                said = self.change(tx, parsed, wanted)
        except Refusal as refusal:
            print(f"lbclient: {refusal}", file=sys.stderr)
            return 1
        finally:
            store.close()
        print(said)
        return 0

    def change(self, tx: sa.Connection, parsed: argparse.Namespace, wanted: Config) -> str:
        """Change the database and return what to print. Raises Refusal."""
        raise NotImplementedError


class _OneHost(_Host):
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("host", metavar="<host>", help="The host (name or ID).")

    def change(self, tx: sa.Connection, parsed: argparse.Namespace, wanted: Config) -> str:
        return self.change_one(tx, _find(tx, parsed.host), parsed)

    def change_one(self, tx: sa.Connection, host: HostRecord, parsed: argparse.Namespace) -> str:
        raise NotImplementedError


class EnrollHost(_Host):
    """Add a host, or give one a new certificate, and write the file that its agent needs.

    The file has the private key of the host. Copy it there, and delete it here. An earlier file of the host is not
    accepted any more.
    """

    examples = ("host1 host1.pem --state-directory /var/lib/lbclient",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("host", metavar="<name>", help="The name of the host.")
        parser.add_argument("file", metavar="<file>", type=Path, help="The new file for its agent.")

    def change(self, tx: sa.Connection, parsed: argparse.Namespace, wanted: Config) -> str:
        import sqlalchemy as sa

        from ..server.agents.service import DIRECTORY
        from ..store import placing
        from ..store.cluster_tables import HOST, SERVER
        from ..vault.authority import Authority

        known = tx.execute(sa.select(HOST).where(HOST.c.name == parsed.host)).one_or_none()
        if known is not None and known.id == SERVER:
            raise Refusal(f"{parsed.host} is the host of the server itself.")
        host_id = known.id if known else str(uuid.uuid4())
        text, certificate = Authority(wanted.state_directory / DIRECTORY).enroll(host_id)
        if known:
            tx.execute(sa.update(HOST).where(HOST.c.id == host_id).values(certificate=certificate))
        else:
            tx.execute(sa.insert(HOST).values(placing.new_host(tx, host_id, parsed.host, certificate)))
        try:
            with open(os.open(parsed.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
        except FileExistsError:
            raise Refusal(f"{parsed.file} exists already.") from None
        return f"{parsed.file}: for lbclient agent on {parsed.host} ({host_id})."


class ListHosts(_Host):
    """List hosts: what operators want of them, whether they are heard, and how many load balancers they have."""

    examples = ("--state-directory /var/lib/lbclient",)

    def change(self, tx: sa.Connection, parsed: argparse.Namespace, wanted: Config) -> str:
        import sqlalchemy as sa

        from ..store import placing
        from ..store.cluster_tables import AMPHORA, HOST

        load = sa.select(sa.func.count()).where(AMPHORA.c.host_id == HOST.c.id).scalar_subquery().label("load")
        rows = [("ID", "Name", "State", "Heard", "Weight", "Zone", "Load balancers", "Version", "Fault")]
        for host in tx.execute(sa.select(HOST, load).order_by(HOST.c.serial)):
            heard = "yes" if placing.is_alive(tx, host) else "no"
            described = (host.zone or "-", str(host.load), host.version or "-", placing.fault(tx, host) or "-")
            rows.append((host.id, host.name, host.state, heard, str(host.weight), *described))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


class ShowHost(_OneHost):
    """Show a host: what operators want of it, what its agent has said, and what is wrong with it."""

    examples = ("host1",)

    def change_one(self, tx: sa.Connection, host: HostRecord, parsed: argparse.Namespace) -> str:
        import sqlalchemy as sa

        from ..store import placing
        from ..store.cluster_tables import AMPHORA

        def count(condition: sa.ColumnElement[bool]) -> int:
            return tx.scalar(sa.select(sa.func.count()).select_from(AMPHORA).where(condition)) or 0

        mine = AMPHORA.c.host_id == host.id
        shown = {
            "id": host.id,
            "name": host.name,
            "state": host.state,
            "heard": "yes" if placing.is_alive(tx, host) else "no",
            "fault": placing.fault(tx, host),
            "weight": host.weight,
            "zone": host.zone,
            "networks": host.networks,
            "load balancers": count(mine),
            "leaving": count(mine & AMPHORA.c.moving_to.is_not(None)),
            "address": host.address,
            "version": host.version,
            "epoch": host.epoch,
            "created_at": host.created_at,
        }
        width = max(map(len, shown))
        return "\n".join(f"{name.ljust(width)}  {'-' if value is None else value}" for name, value in shown.items())


class SetHost(_OneHost):
    """Change a host: its share of new load balancers, its zone, or whether it is dead.

    Say that a host is dead only if it is off, or cut from the network: others then take over its addresses at once.
    """

    examples = ("--weight 50 host1", "--zone east host1", "--dead host1", "--alive host1")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--weight", type=int, metavar="<weight>", help="Its share of new load balancers (100).")
        parser.add_argument(
            "--zone",
            metavar="<zone>",
            help="The compute_zone of the availability zones whose load balancers it takes; empty: of all.",
        )
        life = parser.add_mutually_exclusive_group()
        life.add_argument("--dead", action="store_true", help="It is off: start its load balancers on other hosts.")
        life.add_argument("--alive", action="store_true", help="It is in use again.")

    def change_one(self, tx: sa.Connection, host: HostRecord, parsed: argparse.Namespace) -> str:
        from ..store import placing
        from ..store.cluster_tables import SERVER

        values: dict[str, Any] = {}
        if parsed.weight is not None:
            if not 0 <= parsed.weight <= 10_000:
                raise Refusal("--weight: a number from 0 to 10000.")
            values["weight"] = parsed.weight
        if parsed.zone is not None:
            values["zone"] = parsed.zone or None
        if parsed.dead:
            if host.id == SERVER:
                raise Refusal("The server itself runs on this host: drain it instead.")
            _check_others(tx, host)
            values["state"] = placing.DEAD
        if parsed.alive:
            values["state"] = placing.UP
        return _update(tx, host, values)


class DrainHost(_OneHost):
    """Move the load balancers of a host to others, and give it no new ones.

    Each ends there before it starts elsewhere: its connections end, and new ones are refused for a moment.
    """

    examples = ("host1",)

    def change_one(self, tx: sa.Connection, host: HostRecord, parsed: argparse.Namespace) -> str:
        from ..store import placing

        _check_others(tx, host)
        return _update(tx, host, {"state": placing.DRAINING})


class UndrainHost(_OneHost):
    """Let a host have load balancers again; those that have left do not come back by themselves."""

    examples = ("host1",)

    def change_one(self, tx: sa.Connection, host: HostRecord, parsed: argparse.Namespace) -> str:
        from ..store import placing

        return _update(tx, host, {"state": placing.UP})


class RemoveHost(_OneHost):
    """Remove a host that has no load balancers any more; its agent is not served from then on."""

    examples = ("host1",)

    def change_one(self, tx: sa.Connection, host: HostRecord, parsed: argparse.Namespace) -> str:
        import sqlalchemy as sa

        from ..store.cluster_tables import AMPHORA, HOST, SERVER

        if host.id == SERVER:
            raise Refusal("The host of the server itself cannot be removed.")
        is_used = (AMPHORA.c.host_id == host.id) | (AMPHORA.c.moving_to == host.id)
        count = tx.scalar(sa.select(sa.func.count()).where(is_used)) or 0
        if count:
            raise Refusal(f"{host.name} has {count} load balancers: drain it first, or say that it is dead.")
        tx.execute(sa.delete(HOST).where(HOST.c.id == host.id))
        return f"{host.name}: removed."


def _find(tx: sa.Connection, word: str) -> HostRecord:
    import sqlalchemy as sa

    from ..store.cluster_tables import HOST

    found: HostRecord | None = tx.execute(sa.select(HOST).where((HOST.c.name == word) | (HOST.c.id == word))).first()
    if found is None:
        raise Refusal(f"There is no host {word}.")
    return found


def _check_others(tx: sa.Connection, host: HostRecord) -> None:
    """Check that load balancers can leave a host. Raises Refusal."""
    from ..store import placing

    others = placing.candidates(tx, host.id)
    try:
        for each in {needs for _, needs in placing.placed_on(tx, host.id)} or {placing.Needs()}:
            placing.choose(tx, each, others)
    except placing.NoHost as error:
        raise Refusal(f"No other host can take the load balancers of {host.name}. {error}") from None


def _update(tx: sa.Connection, host: HostRecord, values: dict[str, Any]) -> str:
    import sqlalchemy as sa

    from ..store.cluster_tables import HOST

    if not values:
        raise Refusal("Nothing to change.")
    tx.execute(sa.update(HOST).where(HOST.c.id == host.id).values(values))
    return f"{host.name}: {', '.join(f'{name} {value}' for name, value in values.items())}."


class RunAgent(_ServerCommand):
    """Run load balancers on this host for a server on another, until SIGTERM or Ctrl-C; HAProxy processes run on."""

    examples = ("192.0.2.1:9878 host1.pem --attachment interface --state-directory /var/lib/lbclient-agent",)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from ..server.config_sources import add_arguments

        parser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<address:port>", help="Where the server listens for agents.")
        parser.add_argument("bundle", metavar="<file>", type=Path, help="The file that lbclient host enroll has made.")
        add_arguments(parser, ("state_directory", "attachment", "interface", "haproxy"))
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from ..agent import main
        from ..server import option_values
        from ..server.config import ConfigError
        from ..server.config_sources import from_arguments

        try:
            wanted = from_arguments(vars(parsed_args))
            host, port = option_values.place(parsed_args.server)
        except ConfigError as error:
            print(f"lbclient agent: {error}", file=sys.stderr)
            return 2
        except ValueError as error:
            print(f"lbclient agent: {parsed_args.server!r} is not allowed: {error}.", file=sys.stderr)
            return 2
        return main.run(
            main.Settings(
                host,
                port,
                parsed_args.bundle,
                wanted.state_directory,
                wanted.attachment,
                tuple((each.interface, each.network) for each in wanted.interface),
                wanted.haproxy,
            )
        )
