"""The archive of keys that belongs to a backup: keys of tokens and secrets, clouds.yaml, and the hosts' authority."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ..store.creation import Creation
from .config import Config
from .key_rings import SECRET_KEYS, TOKEN_KEYS
from .state import MARK, marked

KEYS = (TOKEN_KEYS, SECRET_KEYS, "clouds.yaml", "policy.yaml", "hosts")
Files = Mapping[str, bytes]  # content by name, such as fernet-keys/1


class ArchiveError(Exception):
    """The keys cannot be saved or restored; the message says why."""


@dataclass(frozen=True)
class Keys:
    """The files of an archive, and the ID of the database that they belong to, if it is known."""

    files: Files
    database_id: str | None

    @property
    def names(self) -> list[str]:
        """The entries of KEYS that the archive has: directories of keys, and files."""
        return [name for name in KEYS if any(each.partition("/")[0] == name for each in self.files)]


def collect(config: Config) -> Keys:
    """Read the keys of a server. Raises ArchiveError and OSError."""
    found: dict[str, bytes] = {}
    for name in KEYS:
        place = _place(config, name)
        paths = sorted(place.rglob("*")) if place.is_dir() else [place]
        found |= {str(path.relative_to(place.parent)): path.read_bytes() for path in paths if path.is_file()}
    keys = Keys(found, marked(config.state_directory))
    if config.master_key is None and not {TOKEN_KEYS, SECRET_KEYS} <= set(keys.names):
        raise ArchiveError(f"There are no keys in {config.key_directory}: it is not the directory of a server's keys.")
    return keys


def write(file: Any, keys: Keys) -> None:
    """Write keys to an open file. Raises OSError."""
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        mark = {MARK: keys.database_id.encode()} if keys.database_id else {}
        for name, content in {**mark, **keys.files}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))


def read(path: Path) -> Keys:
    """Read an archive and check its keys. Raises ArchiveError."""
    try:
        content = gzip.decompress(path.read_bytes())  # as a whole: tarfile takes damage for the end of an archive
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            found = dict(_files(archive, path))
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or holds no keys"
        raise ArchiveError(f"{path} cannot be read: {reason}.") from None
    mark = found.pop(MARK, None)
    for name, content in found.items():
        if not _is_sound(name, content):
            raise ArchiveError(f"{path} cannot be used: {name} in it is damaged.")
    return Keys(found, mark.decode(errors="replace") if mark else None)


def check(keys: Keys, path: Path, tables: Mapping[str, Any], database_id: str) -> None:
    """Check that the keys belong to the rows of a backup and open all secrets in it. Raises ArchiveError."""
    if keys.database_id not in (None, database_id):
        raise ArchiveError(f"{path} has the keys of another server than the backup.")
    if tables.get("server_key"):
        return  # a master key opens the keys, which are in the database
    if not {TOKEN_KEYS, SECRET_KEYS} <= set(keys.names):
        raise ArchiveError(f"{path} has no keys of tokens and secrets.")
    opener = MultiFernet([Fernet(content) for name, content in keys.files.items() if name.startswith(SECRET_KEYS)])
    for row in tables.get("secret", ()):
        try:
            if row["sealed"] is not None:
                opener.decrypt(row["sealed"])
        except InvalidToken:
            raise ArchiveError(f"{path} has no key that opens the secret {row['id']} of the backup.") from None


def check_place(config: Config, keys: Keys) -> None:
    """Check that no other keys are where these are to go. Raises ArchiveError and OSError.

    Some of the same keys may be there: an earlier attempt was killed.
    """
    there = [
        name
        for name in KEYS
        for path in (_place(config, name), *_place(config, name).rglob("*"))
        if path.is_file() and path.read_bytes() != keys.files.get(str(path.relative_to(_place(config, name).parent)))
    ]
    if there:
        names = ", ".join(dict.fromkeys(there))
        raise ArchiveError(f"{config.state_directory} has other keys already ({names}): restore into a new directory.")


def put(config: Config, keys: Keys, creation: Creation) -> None:
    """Write the keys to where the server looks for them. Raises OSError."""
    for name, content in keys.files.items():
        top, _, _ = name.partition("/")
        path = _place(config, top).parent / name
        creation.directory(path.parent)
        if not path.exists():
            with creation.file(path) as file:
                file.write(content)


def _place(config: Config, name: str) -> Path:
    return (config.key_directory if name in (TOKEN_KEYS, SECRET_KEYS) else config.state_directory) / name


def _files(archive: tarfile.TarFile, path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of an archive, all of which must be keys, so that nothing is written outside the directory."""
    for member in archive:
        top, _, rest = member.name.partition("/")
        if top not in (*KEYS, MARK) or ".." in rest.split("/") or not (member.isreg() or member.isdir()):
            raise ArchiveError(f"{path} has {member.name}, which is no key.")
        file = archive.extractfile(member) if member.isreg() else None
        if file is not None:
            yield member.name, file.read()


def _is_sound(name: str, content: bytes) -> bool:
    """Whether a key can be used as one, and clouds.yaml be read."""
    try:
        if name.partition("/")[0] in (TOKEN_KEYS, SECRET_KEYS):
            Fernet(content)
        elif name == "clouds.yaml":
            return isinstance(yaml.safe_load(content)["clouds"], dict)
    except (ValueError, yaml.YAMLError, KeyError, TypeError):
        return False
    return True
