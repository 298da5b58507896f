"""Save the database to one file and the keys to another, and restore both onto an empty host: all, or nothing."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from .. import __version__
from ..store import dump, migrations
from ..store.creation import Creation
from ..store.store import Store
from ..store.tables import SCHEMA
from . import key_archive, state
from .config import Config
from .key_archive import Keys
from .preparation import sqlite_file

FORMAT = 1


class BackupError(Exception):
    """The backup cannot be made or restored; the message says why."""


@dataclass(frozen=True)
class Backup:
    """A backup that has been read and checked."""

    tables: dump.Rows
    keys: Keys

    @property
    def rows(self) -> int:
        return sum(map(len, self.tables.values()))


def save(config: Config, store: Store, path: Path, keys_path: Path | None = None) -> Backup:
    """Write the database, and its keys if they have a path, to new files that only this user can read.

    Requests of a running server are not blocked. If anything fails, none of the files stays. Raises BackupError,
    ArchiveError and OSError.
    """
    if keys_path is not None and keys_path.absolute() == path.absolute():
        raise BackupError("The data and the keys need a file each.")
    with Creation() as creation:
        with _new(creation, path) as file:
            tables = _write(store, file)
        keys = Keys({}, None)
        if keys_path is not None:
            keys = key_archive.collect(config)
            with _new(creation, keys_path) as file:
                key_archive.write(file, keys)
                _flush(file)
    return Backup(tables, keys)


def load(path: Path, keys_path: Path) -> Backup:
    """Read a backup and its keys. Raises BackupError and ArchiveError if this program cannot restore them."""
    content = _content(path)
    keys = key_archive.read(keys_path)
    key_archive.check(keys, keys_path, content["tables"], content["database_id"])
    return Backup(content["tables"], keys)


def restore(config: Config, backup: Backup) -> None:
    """Restore a backup into a new state directory and an empty database.

    If anything fails, both are as before. Raises BackupError, ArchiveError, StateError and OSError.
    """
    creation = Creation()
    creation.note_directory(config.state_directory)
    creation.note(config.state_directory / state.LOCK)
    with state.held(config.state_directory), creation:
        key_archive.check_place(config, backup.keys)
        path = sqlite_file(config.database_url)
        creation.note(*(Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm") if path))
        store = Store(config.database_url)
        try:
            with store.writing() as tx:  # committed once the keys are there
                migrations.upgrade(tx)
                if not dump.is_empty(tx):
                    raise BackupError("The database is not empty: a backup is restored into a new one.")
                dump.write(tx, backup.tables)
                key_archive.put(config, backup.keys, creation)
                creation.note(config.state_directory / state.MARK)
                state.mark(config.state_directory, str(tx.scalar(sa.select(SCHEMA.c.database_id))))
        finally:
            store.close()


def _write(store: Store, file: Any) -> dump.Rows:
    """Write the database to an open file and return its rows."""
    with store.reading() as tx:
        tables = dump.read(tx)
        database_id = str(tx.scalar(sa.select(SCHEMA.c.database_id)))
    content = {
        "format": FORMAT,
        "lbclient": __version__,
        "schema": migrations.NEWEST,
        "saved_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "database_id": database_id,
        "tables": tables,
    }
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
        packed.write(orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS))
    _flush(file)
    return tables


def _content(path: Path) -> dict[str, Any]:
    try:
        content: Any = orjson.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or no backup"
        raise BackupError(f"{path} cannot be read: {reason}.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BackupError(f"{path} is no backup that this program can read.")
    if content["schema"] > migrations.NEWEST:
        raise BackupError(
            f"{path} was made by lbclient {content['lbclient']} with schema version {content['schema']}; this program "
            f"knows {migrations.NEWEST}: use a newer one."
        )
    if content["schema"] < migrations.NEWEST:
        raise BackupError(
            f"{path} was made by lbclient {content['lbclient']}: restore it with that version, and then start this one."
        )
    if not dump.fits(content.get("tables")) or "database_id" not in content:
        raise BackupError(f"{path} cannot be read: it is damaged, or no backup.")
    return content


def _new(creation: Creation, path: Path) -> Any:
    try:
        return creation.file(path)
    except FileExistsError:
        raise BackupError(f"{path} exists already.") from None


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
