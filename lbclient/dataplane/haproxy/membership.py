"""Add, change and delete servers in a running HAProxy, without a reload."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..config.backends import Rendered, Server
from ..config.render import ADMIN_SOCKET
from . import runtime
from .runtime import MAINTENANCE, Row

Key = tuple[str, str]  # (backend, server)
Backends = Mapping[str, Rendered]

MOST = 500  # servers that change at a time; HAProxy finds each one by a search through its backend
LONGEST = 8000  # bytes of commands in one line; HAProxy's buffer holds 16384
LINGERING_SECONDS = 3600.0  # after which connections to a deleted server are closed, like those of old workers
BARE = re.compile(r"[A-Za-z0-9_.:/,@=+*?!%|(){}\[\]~^-]+")  # words that need no escapes in a command
CHECKS_ENABLED = 0x04  # srv_check_state
ADDED = "New server registered."
DELETED = ("Server deleted.", "No such server.")
HAS_CONNECTIONS = "connections attached"


class NeedsReload(Exception):
    """HAProxy cannot change this at run time; the text says what, and why."""


@dataclass(frozen=True)
class Changes:
    """The commands for each server that is added or changed, and the servers to delete."""

    commands: Sequence[tuple[str, ...]] = ()
    deleted: Sequence[Key] = ()

    def __bool__(self) -> bool:
        return bool(self.commands or self.deleted)


@dataclass(frozen=True)
class Lingering:
    """Deleted servers that still have connections: they stay in maintenance, and get no new ones."""

    since: Mapping[Key, float] = field(default_factory=dict)


def between(before: Backends, wanted: Backends, lingering: Lingering) -> Changes:
    """Return what changes from one set of servers to another. Raises NeedsReload."""
    commands: list[tuple[str, ...]] = []
    deleted: list[Key] = []
    for name, now in wanted.items():
        old = before[name].servers if name in before else {}
        new = now.servers
        for server in [each for each in new.values() if old.get(each.name) is not each]:
            known = old.get(server.name)
            if known is not None:
                commands.append(_changed(known, server))
                continue
            if (name, server.name) in lingering.since:
                raise NeedsReload(f"member {server.name} was deleted and still has connections")
            commands.append(_added(server))
        deleted += [(name, gone) for gone in old.keys() - new.keys()]
    return _bounded(Changes([each for each in commands if each], deleted))


def differing(wanted: Backends, directory: Path) -> Changes:
    """Return what differs between the servers of the running HAProxy and the wanted ones.

    Raises NeedsReload or Unreachable.
    """
    commands: list[tuple[str, ...]] = []
    deleted: list[Key] = []
    found: dict[str, dict[str, Mapping[str, str]]] = {name: {} for name in wanted}
    for row in runtime.states(directory):
        if row["be_name"] in found:
            found[row["be_name"]][row["srv_name"]] = row
    backups = _backups(directory)
    for name, now in wanted.items():
        running = found[name]
        for server in now.servers.values():
            if server.name not in running:
                commands.append(_added(server))
                continue
            is_backup = (name, server.name) in backups
            commands.append(tuple(_corrected(server, running[server.name], is_backup=is_backup)))
        deleted += [(name, gone) for gone in running.keys() - now.servers.keys()]
    return _bounded(Changes([each for each in commands if each], deleted))


def make(directory: Path, changes: Changes, lingering: Lingering) -> Lingering:
    """Make the changes in the running HAProxy, and try again to delete lingering servers; return those that linger.

    Raises NeedsReload or Unreachable.
    """
    for line in _lines(";".join(each) for each in changes.commands):
        for said in _said(directory, line):
            if said != ADDED:
                raise NeedsReload(f"HAProxy refuses a change at run time: {said}")
    since = {key: time.monotonic() for key in changes.deleted} | dict(lingering.since)
    return Lingering(dict(_deleted(directory, since)))


def _deleted(directory: Path, since: Mapping[Key, float]) -> Iterator[tuple[Key, float]]:
    """Delete servers; yield those that still have connections."""
    keys = list(since)
    answers: list[str] = []
    for line in _lines(";".join(_leaving(key, since[key])) for key in keys):
        answers += _said(directory, line)
    if len(answers) != len(keys):
        raise NeedsReload(f"HAProxy refuses to delete members at run time: {' '.join(answers)}")
    for key, said in zip(keys, answers, strict=True):
        if HAS_CONNECTIONS in said:
            yield key, since[key]
        elif said not in DELETED:
            raise NeedsReload(f"HAProxy refuses to delete member {key[1]} at run time: {said}")


def _leaving(key: Key, since: float) -> Iterator[str]:
    place = "/".join(key)
    yield f"set server {place} state maint"
    if time.monotonic() > since + LINGERING_SECONDS:
        yield f"shutdown sessions server {place}"
    yield f"del server {place}"


def _bounded(changes: Changes) -> Changes:
    count = len(changes.commands) + len(changes.deleted)
    if count > MOST:
        raise NeedsReload(f"{count} members change at a time; up to {MOST} do at run time")
    return changes


def _added(server: Server) -> tuple[str, ...]:
    place = f"{server.backend}/{server.name}"
    words = (*server.line.words[2:], *server.added, "weight", str(server.weight))
    strange = next((each for each in words if not BARE.fullmatch(each)), None)
    if strange is not None:
        raise NeedsReload(f"member {server.name} has a setting that cannot be given at run time: {strange!r}")
    return (
        f"add server {place} {' '.join(words)}",
        *((f"enable health {place}",) if server.is_tested else ()),
        *((f"set server {place} state ready",) if server.is_enabled else ()),
    )


def _changed(before: Server, server: Server) -> tuple[str, ...]:
    if (before.address, before.port, before.is_tls) != (server.address, server.port, server.is_tls):
        raise NeedsReload(f"member {server.name} has another address or port")
    _check_backup(server, was=before.is_backup)
    if before.settings != server.settings:
        raise NeedsReload(f"member {server.name} has a setting that HAProxy cannot change at run time")
    place = f"{server.backend}/{server.name}"
    commands = []
    if server.weight != before.weight:
        commands.append(f"set server {place} weight {server.weight}")
    if server.is_enabled != before.is_enabled:
        commands.append(_state(server))
    if server.is_tested and (server.check_address, server.check_port) != (before.check_address, before.check_port):
        commands.append(_check_place(server))
    return tuple(commands)


def _corrected(server: Server, row: Mapping[str, str], *, is_backup: bool) -> Iterator[str]:
    """Yield the commands that make a running server, given by its row of `show servers state`, the wanted one."""
    if not _is_same_address(row["srv_addr"], server.address) or row["srv_port"] != str(server.port):
        raise NeedsReload(f"member {server.name} has another address or port")
    _check_backup(server, was=is_backup)
    place = f"{server.backend}/{server.name}"
    if int(row["srv_uweight"]) != server.weight:
        yield f"set server {place} weight {server.weight}"
    if server.is_tested:
        checked_at = (
            server.address if row.get("srv_check_addr", "-") == "-" else row["srv_check_addr"],
            server.port if row.get("srv_check_port", "0") == "0" else int(row["srv_check_port"]),
        )
        if checked_at[1] != server.check_port or not _is_same_address(checked_at[0], server.check_address):
            yield _check_place(server)
        if not int(row["srv_check_state"]) & CHECKS_ENABLED:
            yield f"enable health {place}"  # the server of the API was killed while it added this one
    if bool(int(row["srv_admin_state"]) & MAINTENANCE) == server.is_enabled:
        yield _state(server)


def _check_backup(server: Server, *, was: bool) -> None:
    if was != server.is_backup:
        now = "is a backup now" if server.is_backup else "is no backup any more"
        raise NeedsReload(f"member {server.name} {now}, which HAProxy cannot change at run time")


def _state(server: Server) -> str:
    return f"set server {server.backend}/{server.name} state {'ready' if server.is_enabled else 'maint'}"


def _check_place(server: Server) -> str:
    place = f"{server.backend}/{server.name}"
    return f"set server {place} check-addr {server.check_address} port {server.check_port}"


def _is_same_address(one: str, other: str) -> bool:
    return one == other or ipaddress.ip_address(one) == ipaddress.ip_address(other)


def _backups(directory: Path) -> set[Key]:
    """Return the servers that run as backups."""
    rows: Mapping[Key, Row] = runtime.parse_stat(runtime.ask(directory, ADMIN_SOCKET, "show stat -1 4 -1"))
    return {key for key, row in rows.items() if row["bck"] == "1"}


def _lines(commands: Iterable[str]) -> Iterator[str]:
    """Yield lines of commands, none of them longer than HAProxy takes."""
    line = ""
    for each in commands:
        if line and len(line) + len(each) >= LONGEST:
            yield line
            line = ""
        line = f"{line};{each}" if line else each
    if line:
        yield line


def _said(directory: Path, line: str) -> list[str]:
    """Send a line of commands; return the lines of their answers that are not empty. Raises Unreachable."""
    return [said.strip() for said in runtime.ask(directory, ADMIN_SOCKET, line).splitlines() if said.strip()]
