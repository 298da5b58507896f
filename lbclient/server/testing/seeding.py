"""Load a seed once for each state directory: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import sqlalchemy as sa

from ... import files
from ...store import dump
from ...store.identity_tables import PROJECT, USER
from ..identity.bootstrap import DEFAULT_DOMAIN
from ..services import Services
from . import snapshots

FILE = "seed.json"  # in the state directory: the database as it was before an unfinished seed, or {} after a seed


class SeedError(Exception):
    """A seed that was not loaded; the message has one line for each reason."""


@dataclass(frozen=True)
class Access:
    """Access for loading a seed: the server's URL, an admin's token, and the project of objects that name none."""

    url: str
    token: str
    project_id: str


Seed = Callable[[Access], None]


def undo(services: Services, directory: Path) -> None:
    """Restore the database as it was before a seed that was not completed, if there is one."""
    content = _content(directory)
    if content:
        with services.tokens.changing() as tx:
            dump.write(tx, content, snapshots.LEFT_OUT)
        (directory / FILE).unlink()


def load(services: Services, directory: Path, url: str, seed: Seed) -> bool:
    """Load the seed unless the state directory has one already; return whether it was loaded. Raises SeedError.

    The data plane must not have started: what fails leaves nothing behind.
    """
    if _content(directory) is not None:
        return False
    with services.store.reading() as tx:
        before = dump.read(tx, snapshots.LEFT_OUT)
    files.replace(directory / FILE, orjson.dumps(before, option=orjson.OPT_NON_STR_KEYS).decode())
    try:
        seed(_access(services, url))
    except BaseException:
        undo(services, directory)
        raise
    files.replace(directory / FILE, "{}")
    return True


def _content(directory: Path) -> dump.Rows | None:
    try:
        found: dump.Rows = orjson.loads((directory / FILE).read_bytes())
    except FileNotFoundError:
        return None
    return found


def _access(services: Services, url: str) -> Access:
    with services.store.reading() as tx:
        admin, project = _id(tx, USER, "admin"), _id(tx, PROJECT, "admin")
        owner = _id(tx, PROJECT, "demo") if services.config.demo else project
    token, _ = services.tokens.issue(admin, "project", project, ("password",))
    return Access(url, token, owner)


def _id(tx: sa.Connection, table: sa.Table, name: str) -> str:
    wanted = sa.select(table.c.id).where(table.c.name == name, table.c.domain_id == DEFAULT_DOMAIN)
    return str(tx.scalars(wanted).one())
