"""Save the database to one file and the keys to another, and restore both onto an empty host."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson

from .. import __version__
from ..store import dump, migrations
from ..store.store import Store

FORMAT = 1
KEYS = ("fernet-keys", "key-manager-keys", "clouds.yaml", "policy.yaml", "hosts")  # within the state directory


class BackupError(Exception):
    """The backup cannot be made or restored; the message says why."""


def save(store: Store, path: Path) -> int:
    """Write the database to a new file that only this user can read, without blocking requests.

    Returns the number of rows. Raises BackupError if the file exists, and OSError.
    """
    with store.reading() as tx:
        rows = dump.read(tx)
    content = {
        "format": FORMAT,
        "lbclient": __version__,
        "schema": migrations.NEWEST,
        "saved_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "tables": rows,
    }
    with _new(path) as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
        packed.write(orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS))
    return sum(map(len, rows.values()))


def save_keys(directory: Path, path: Path) -> list[str]:
    """Write the keys of a state directory, its clouds.yaml and policy.yaml to a new file that only this user can read.

    Returns the names of those that existed. Raises BackupError if the file exists, and OSError.
    """
    found = [name for name in KEYS if (directory / name).exists()]
    with _new(path) as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name in found:
            archive.add(directory / name, arcname=name)
    return found


def load(path: Path) -> dict[str, Any]:
    """Read a backup and return its content. Raises BackupError if this program cannot restore it."""
    try:
        content: Any = orjson.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError) as error:
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
    return content


def restore(store: Store, content: dict[str, Any]) -> int:
    """Restore a backup into an empty database; return the number of rows.

    Raises BackupError if the database is not empty.
    """
    store.migrate()
    with store.writing() as tx:
        if not dump.is_empty(tx):
            raise BackupError("The database is not empty: a backup is restored into a new one.")
        dump.write(tx, content["tables"])
    return sum(map(len, content["tables"].values()))


def restore_keys(directory: Path, path: Path) -> list[str]:
    """Restore keys into a state directory that has none; return their names. Raises BackupError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = [name for name in KEYS if (directory / name).exists()]
    if there:
        raise BackupError(f"{directory} has {', '.join(there)} already: keys are restored into a new state directory.")
    try:
        with tarfile.open(path, mode="r:gz") as archive:
            members = list(_known(archive, path))
            for member, content in members:
                _put(directory / member.name, content)
    except (OSError, tarfile.TarError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or holds no keys"
        raise BackupError(f"{path} cannot be read: {reason}.") from None
    return sorted({member.name.partition("/")[0] for member, _ in members})


def _known(archive: tarfile.TarFile, path: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield the files of an archive, all of which must be keys, so that nothing is written outside the directory."""
    for member in archive:
        top, _, rest = member.name.partition("/")
        if top not in KEYS or ".." in rest.split("/") or not (member.isreg() or member.isdir()):
            raise BackupError(f"{path} has {member.name}, which is no key.")
        file = archive.extractfile(member) if member.isreg() else None
        if file is not None:
            yield member, file.read()


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _new(path: Path) -> io.BufferedWriter:
    try:
        return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError:
        raise BackupError(f"{path} exists already.") from None
