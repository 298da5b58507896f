"""Snapshots: save the content of the database under a name, and restore it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from ... import files
from ...resources.testing import SNAPSHOT_NAME, SNAPSHOT_NAMES
from ...store import dump, identity_tables, migrations
from ...store.tables import LOADBALANCER, SCHEMA
from ..errors import NotFound
from .bodies import invalid

# Tables that snapshots leave out: a restored snapshot must not make revoked tokens valid again.
LEFT_OUT = (SCHEMA, identity_tables.REVOCATION, identity_tables.IDENTITY_REVISION)


class Snapshots:
    """The snapshots in a directory, one file for each name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def names(self) -> list[str]:
        """Return the names of the snapshots, sorted."""
        return sorted(path.stem for path in self._directory.glob("*.json"))

    def save(self, name: str, tx: sa.Connection, more: Mapping[str, Any]) -> None:
        """Save the database, and `more` with it. Raises InvalidInput if the name is not allowed."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        content = {"schema": migrations.NEWEST, "tables": dump.read(tx, LEFT_OUT), **more}
        files.replace(self._path(name), orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS).decode())

    def load(self, name: str) -> dict[str, Any]:
        """Return a snapshot. Raises NotFound, and InvalidInput if it has another schema version or a bad name."""
        try:
            content: dict[str, Any] = orjson.loads(self._path(name).read_bytes())
        except FileNotFoundError:
            raise self._unknown(name) from None
        except ValueError:
            raise invalid("snapshot", name, "Its file should be JSON: it is damaged; delete or save it") from None
        schema = content.get("schema") if isinstance(content, dict) else None
        if schema != migrations.NEWEST:
            raise invalid("schema", schema, f"Value should be {migrations.NEWEST} in snapshot {name}")
        return content

    def delete(self, name: str) -> None:
        """Delete a snapshot, of whichever version. Raises NotFound, and InvalidInput if it has a bad name."""
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise self._unknown(name) from None

    def _unknown(self, name: str) -> NotFound:
        return NotFound(f"Snapshot {name} not found; there are: {', '.join(self.names()) or 'none'}.")

    def _path(self, name: str) -> Path:
        if not re.fullmatch(SNAPSHOT_NAME, name):
            raise invalid("snapshot", name, f"Value should be {SNAPSHOT_NAMES}")
        return self._directory / f"{name}.json"


def restore(tx: sa.Connection, rows: dump.Rows) -> dict[str, str]:
    """Replace the rows of all tables; return all load balancers that exist before or after, with their projects."""
    before = _loadbalancers(tx)
    dump.write(tx, rows, LEFT_OUT)
    return before | _loadbalancers(tx)


def _loadbalancers(tx: sa.Connection) -> dict[str, str]:
    """Return the ID of each load balancer with that of its project."""
    return {row.id: row.project_id for row in tx.execute(sa.select(LOADBALANCER.c.id, LOADBALANCER.c.project_id))}
