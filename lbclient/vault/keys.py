"""Encryption keys: files that only this user can read, named by number. The highest encrypts; all of them decrypt."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.fernet import Fernet, MultiFernet


class DamagedKey(Exception):
    """A key cannot be used; the text names its file and a remedy."""


KEPT = 3  # keys of tokens; tokens encrypted with an older one are no longer accepted


class KeyRing(Protocol):
    """Keys of one kind, in files or in the database."""

    def load(self) -> MultiFernet:
        """Return all keys, after creating the first if there is none. Raises DamagedKey."""
        ...

    def add(self) -> None:
        """Create a new key, which encrypts from now on."""
        ...

    def forget(self, kept: int) -> None:
        """Delete all keys except the newest `kept` ones."""
        ...


@dataclass(frozen=True)
class Files:
    """The keys in the files of a directory."""

    directory: Path

    def load(self) -> MultiFernet:
        return load(self.directory)

    def add(self) -> None:
        add(self.directory)

    def forget(self, kept: int) -> None:
        forget(self.directory, kept)


def ring(source: Path | KeyRing) -> KeyRing:
    """Return the keys in a directory; anything else is returned as it is."""
    return Files(source) if isinstance(source, Path) else source


def master(path: Path, may_create: bool) -> Fernet:
    """Return the master key in a file, which is created if it may be. Raises DamagedKey."""
    try:
        if may_create and not path.exists():
            _create(path)
        return Fernet(path.read_bytes().strip())
    except OSError as error:
        raise DamagedKey(f"The master key {path} cannot be used: {error.strerror}.") from None
    except ValueError:
        raise DamagedKey(
            f"The master key {path} is damaged: bring it back from a backup. Without it, all that is sealed in the "
            "database is lost."
        ) from None


def check_directory(path: Path) -> None:
    """Check that a master key can be created here. Raises DamagedKey."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        why = os.strerror(errno.EACCES if path.parent.is_dir() else errno.ENOENT)
        raise DamagedKey(f"The master key {path} cannot be used: {why}.")


def load(directory: Path) -> MultiFernet:
    """Load all keys in the directory, creating the first if there is none. Raises DamagedKey."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _numbers(directory):
            add(directory)
        return MultiFernet([_key(directory / str(number)) for number in _numbers(directory)])
    except OSError as error:
        raise DamagedKey(f"The keys in {directory} cannot be used: {error.strerror}.") from None


def _key(path: Path) -> Fernet:
    try:
        return Fernet(path.read_bytes())
    except ValueError:
        raise DamagedKey(
            f"The key {path} is damaged: bring it back from a backup. Without it (delete the file), all that was "
            "sealed with it, tokens or payloads of secrets, is lost."
        ) from None


def rotate(directory: Path) -> None:
    """Add a new key and delete all but the KEPT newest ones. Servers load the new key when they start."""
    add(directory)
    forget(directory, KEPT)


def read(directory: Path) -> list[bytes]:
    """Return the keys in the directory, oldest first; none if there is no directory. Raises DamagedKey."""
    try:
        if not directory.is_dir():
            return []
        for number in _numbers(directory):
            _key(directory / str(number))
        return [(directory / str(number)).read_bytes() for number in reversed(_numbers(directory))]
    except OSError as error:
        raise DamagedKey(f"The keys in {directory} cannot be used: {error.strerror}.") from None


def add(directory: Path) -> None:
    """Create a new key with the highest number, so that it is used for encryption from now on."""
    _write(directory, max(_numbers(directory), default=0) + 1)


def forget(directory: Path, kept: int) -> None:
    """Delete all keys except the newest `kept` ones."""
    for number in _numbers(directory)[kept:]:
        (directory / str(number)).unlink()


def _numbers(directory: Path) -> list[int]:
    return sorted((int(path.name) for path in directory.iterdir() if path.name.isdecimal()), reverse=True)


def _write(directory: Path, number: int) -> None:
    _create(directory / str(number))


def _create(path: Path) -> None:
    """Create a file with a new key; if another process was faster, its key is used."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
