"""HAProxy's runtime API: commands to a running HAProxy, and parsers of its answers."""

from __future__ import annotations

import csv
import errno
import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..config.backends import Server
from ..config.render import ADMIN_SOCKET, FINGERPRINT, FINGERPRINTS
from ..relay.exposition import INTERNAL

MASTER_SOCKET = "master.sock"
PATIENCE = 3.0  # s for an answer
LONGEST_PATH = 107  # bytes of a unix socket's path
OWN_LACKS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
MAINTENANCE = 0x01  # srv_admin_state: forced; 0x04 stays set once the configuration has said so
STOPPED = "0"
GENERATION = "proc.generation"  # a variable with the generation of certificates that a worker got after it had started
SAID_PID = re.compile(r"^Pid: (\d+)$", re.MULTILINE)
SAID_FINGERPRINT = re.compile(rf"^{FINGERPRINT}: (.*)$", re.MULTILINE)
TOLD = re.compile(rf"^{re.escape(GENERATION)}: type=str value=<(\w+)>", re.MULTILINE)


Row = Mapping[str, str]
Rows = Mapping[tuple[str, str], Row]  # by (proxy, server), which may be FRONTEND or BACKEND


class Unreachable(Exception):
    """No process answers at the socket, or the answer is not valid."""


class Interrupted(Unreachable):
    """The command was sent, but the connection broke before the answer was complete."""


@dataclass(frozen=True)
class Worker:
    """A running worker, as it describes itself."""

    pid: int
    fingerprint: str  # of its configuration
    generation: str = ""  # of its certificates


def ask(directory: Path, name: str, command: str, patience: float = PATIENCE) -> str:
    """Send a command to the socket and return the answer; the timeout is in seconds.

    Raises Unreachable, or OSError if this process lacks the descriptors or memory to ask.
    """
    error: type[Unreachable] = Unreachable
    try:
        with connected(directory, name, patience) as connection:
            connection.sendall(command.encode() + b"\n")
            error = Interrupted
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
    except OSError as cause:
        if is_own_lack(cause):
            raise
        raise error(f"{name}: {cause}") from cause


def is_own_lack(error: OSError) -> bool:
    """Return whether the error is a lack of descriptors or memory here, rather than a failure of the other process."""
    return error.errno in OWN_LACKS


@contextmanager
def connected(directory: Path, name: str, patience: float) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection, reachable(directory, name) as path:
        connection.settimeout(patience)
        connection.connect(path)
        yield connection


@contextmanager
def reachable(directory: Path, name: str) -> Iterator[str]:
    """Yield a path of the socket that fits into a socket address, however long the directory's path is."""
    path = str(directory / name)
    if len(path.encode()) <= LONGEST_PATH:
        yield path
        return
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def worker(directory: Path) -> Worker:
    """Return the worker that serves the traffic. Raises Unreachable."""
    said = ask(directory, ADMIN_SOCKET, f"show info;get var {GENERATION}")
    info = parse_info(said)
    told = TOLD.search(said)
    try:
        fingerprint, _, loaded = info[FINGERPRINT].partition(FINGERPRINTS)
        return Worker(int(info["Pid"]), fingerprint, told[1] if told else loaded)
    except (KeyError, ValueError):
        raise Unreachable(f"{ADMIN_SOCKET}: not an answer of ours: {info}") from None


def set_generation(directory: Path, generation: str) -> bool:
    """Store the generation of its certificates in the worker; return whether the worker supports that.

    Raises Unreachable.
    """
    ask(directory, ADMIN_SOCKET, f"experimental-mode on;set var {GENERATION} str({generation})")
    return worker(directory).generation == generation


def parse_info(text: str) -> dict[str, str]:
    pairs = (line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return {pair[0]: pair[1].strip() for pair in pairs}


class Cells(Mapping[str, str]):
    """A row of `show stat` with lazy columns: there are about a hundred, and only a few are ever read."""

    __slots__ = ("_cells", "_places")

    def __init__(self, places: Mapping[str, int], cells: Sequence[str]) -> None:
        self._places = places
        self._cells = cells

    def __getitem__(self, name: str) -> str:
        place = self._places[name]
        if place < len(self._cells):
            return self._cells[place]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, place in self._places.items() if place < len(self._cells))

    def __len__(self) -> int:
        return min(len(self._places), len(self._cells))


def parse_stat(text: str) -> Rows:
    """Parse the output of `show stat` into rows by (proxy, server), without internal proxies."""
    header, *lines = text.strip().removeprefix("# ").splitlines() or [""]
    places = _places(header)  # pxname and svname come first
    return {(row[0], row[1]): Cells(places, row) for row in csv.reader(lines) if row and row[0] not in INTERNAL}


@lru_cache(maxsize=8)
def _places(header: str) -> Mapping[str, int]:
    """Return the position of each column; cached, since all processes of one HAProxy version have the same header."""
    return {name: place for place, name in enumerate(header.rstrip(",").split(","))}


def parse_states(text: str) -> list[dict[str, str]]:
    """Parse the output of `show servers state`: a version, a line of column names, and the rows."""
    lines = [line for line in text.splitlines() if line.strip()]
    header = next((line for line in lines if line.startswith("# ")), "#")
    columns = header[2:].split()
    return [dict(zip(columns, line.split(), strict=False)) for line in lines if " " in line and line != header]


@dataclass(frozen=True)
class Report:
    """A worker's report on itself and on its proxies and servers."""

    pid: int
    fingerprint: str
    rows: Rows


REPORT = "show info;show stat"


def parse_report(text: str) -> Report:
    """Parse the answer to REPORT. Raises Unreachable if it is not a valid report."""
    info, _, stat = text.partition("# pxname")
    try:
        [pid], [fingerprint] = SAID_PID.findall(info), SAID_FINGERPRINT.findall(info)
        return Report(int(pid), fingerprint, parse_stat("pxname" + stat))
    except ValueError:
        raise Unreachable(f"{ADMIN_SOCKET}: not a report of ours: {text[:80]!r}") from None


def old_workers(directory: Path) -> list[int]:
    """Return the PIDs of workers that a reload has replaced but that still have connections. Raises Unreachable."""
    listed = ask(directory, MASTER_SOCKET, "show proc").partition("# old workers")[2].partition("# programs")[0]
    return [int(line.split()[0]) for line in listed.splitlines() if line.split()[1:2] == ["worker"]]


def old_rows(directory: Path, pid: int) -> Rows:
    """Return the statistics of an old worker. Raises Unreachable."""
    text = ask(directory, MASTER_SOCKET, f"@!{pid} show stat")
    if not text.startswith("# pxname"):
        raise Unreachable(f"{MASTER_SOCKET}: worker {pid} does not answer")
    return parse_stat(text)


def states(directory: Path) -> list[dict[str, str]]:
    return parse_states(ask(directory, ADMIN_SOCKET, "show servers state"))


def kept_states(servers: Sequence[Server], rows: list[dict[str, str]]) -> str:
    """Return a state file for the next worker: the health of checked servers, with no settings of the old worker.

    Weights and administrative states are those of the new configuration, since HAProxy would otherwise carry over
    those of the old worker. Servers that are in maintenance now, or that the new configuration does not check or has
    disabled, are left out.
    """
    wanted = {(each.backend, each.name): each for each in servers if each.is_checked and each.is_enabled}
    kept = [
        row
        for row in rows
        if (row["be_name"], row["srv_name"]) in wanted and not int(row["srv_admin_state"]) & MAINTENANCE
    ]
    if not kept:
        return "1\n"
    lines = [" ".join((row | _desired(wanted[row["be_name"], row["srv_name"]])).values()) for row in kept]
    return "\n".join(("1", "# " + " ".join(kept[0]), *lines)) + "\n"


def _desired(server: Server) -> dict[str, str]:
    weight = str(server.weight)
    return {
        "srv_admin_state": "0",
        "srv_uweight": weight,
        "srv_iweight": weight,
        "srv_check_state": "0",
        "srv_check_port": "0",
        "srv_check_addr": "-",
        "srv_use_ssl": str(int(server.is_tls)),
    }
