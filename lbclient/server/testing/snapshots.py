"""Snapshots: everything that the database has, saved under a name and brought back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from ...store import dump, files, identity_tables, migrations
from ...store.tables import LOADBALANCER, SCHEMA
from ..errors import BadRequest, NotFound
from ..identity import tokens

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Not what others are told by: a token that was revoked stays so.
LEFT_OUT = (SCHEMA, identity_tables.REVOCATION, identity_tables.IDENTITY_REVISION)


class Snapshots:
    """Files in a directory, one for each name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def names(self) -> list[str]:
        """The snapshots there are, by name."""
        return sorted(path.stem for path in self._directory.glob("*.json"))

    def save(self, name: str, tx: sa.Connection, more: Mapping[str, Any]) -> None:
        """Save the database and what else is given. Raises BadRequest."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        content = {"schema": migrations.NEWEST, "tables": dump.read(tx, LEFT_OUT), **more}
        files.replace(self._path(name), orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS).decode())

    def load(self, name: str) -> dict[str, Any]:
        """What was saved. Raises NotFound, and BadRequest where another version of the schema saved it."""
        try:
            content: dict[str, Any] = orjson.loads(self._path(name).read_bytes())
        except FileNotFoundError:
            known = ", ".join(self.names()) or "none"
            raise NotFound(f"Snapshot {name} not found; there are: {known}.") from None
        if content.get("schema") != migrations.NEWEST:
            raise BadRequest(
                f"Snapshot {name} has schema version {content.get('schema')}; this server takes {migrations.NEWEST}."
            )
        return content

    def delete(self, name: str) -> None:
        """Raises NotFound."""
        self.load(name)
        self._path(name).unlink()

    def _path(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise BadRequest(
                f"name: {name!r} is not allowed: up to 64 letters, digits, dots, hyphens and underscores, "
                "the first a letter or a digit."
            )
        return self._directory / f"{name}.json"


def restore(tx: sa.Connection, rows: dump.Rows) -> set[str]:
    """Make these the rows of all tables; the IDs of the load balancers before and after."""
    ids = set(tx.scalars(sa.select(LOADBALANCER.c.id)))
    dump.write(tx, rows, LEFT_OUT)
    tokens.touch(tx)
    return ids | set(tx.scalars(sa.select(LOADBALANCER.c.id)))
