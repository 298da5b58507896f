"""Databases for tests: SQLite, or with --database=postgresql a PostgreSQL of the run's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg

from lbclient.store.store import Store

OWNER = "postgres"  # the user that Debian's package makes; PostgreSQL does not run as root


def programs() -> Path | None:
    """Where initdb and pg_ctl are; None: PostgreSQL is not installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    return Path(found).parent if found else None


class Cluster:
    """A PostgreSQL server that listens on a socket file only, in a directory of its own."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self.directory = Path(tempfile.mkdtemp(prefix="lbclient-pg-", dir="/tmp"))  # socket paths are short
        self._count = 0
        self._has_template = False
        if os.getuid() == 0:
            shutil.chown(self.directory, OWNER, OWNER)
        self._run("initdb", "-D", f"{self.directory}/data", "-A", "trust", "-U", "lbclient", "-E", "UTF8", "--no-sync")
        self.start()

    def start(self) -> None:
        quick = "-c fsync=off -c full_page_writes=off -c max_connections=300"
        options = f"-c listen_addresses='' -k {self.directory} {quick}"
        self._run("pg_ctl", "-D", f"{self.directory}/data", "-l", f"{self.directory}/log", "-w", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self.directory}/data", "-m", "immediate", "-w", "stop")

    def processes(self) -> list[int]:
        """The server and all that it has started."""
        first = int(Path(self.directory, "data", "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]

    def latest_url(self) -> str:
        """The database that was made last, for psycopg itself."""
        return f"host={self.directory} user=lbclient dbname=test_{self._count}"

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def new_database(self, is_empty: bool = False) -> str:
        """The URL of a database that has its tables, unless it is to be empty."""
        if is_empty:
            return self._copy("template0")
        if not self._has_template:
            self._has_template = True
            store = Store(self._copy("template0", "with_tables"))
            store.migrate()
            store.close()
        return self._copy("with_tables")

    def _copy(self, template: str, name: str = "") -> str:
        self._count += 1
        name = name or f"test_{self._count}"
        with psycopg.connect(f"host={self.directory} user=lbclient dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY".encode())
        return f"postgresql://lbclient@/{name}?host={self.directory}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_owner(), str(self._binaries / program), *arguments]
        # What pg_ctl starts would keep a pipe open.
        subprocess.run(command, check=True, timeout=60, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _as_owner() -> Sequence[str]:
    return ("setpriv", "--reuid", OWNER, "--regid", OWNER, "--clear-groups") if os.getuid() == 0 else ()
