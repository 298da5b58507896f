"""Encryption keys: files that only this user can read, named by number. The highest encrypts; all of them decrypt."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet


class DamagedKey(Exception):
    """A key cannot be used; the text names its file and a remedy."""


KEPT = 3  # keys of tokens; tokens encrypted with an older one are no longer accepted


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
    aside = directory / f".{number}.{os.getpid()}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, directory / str(number))  # if another process was faster, its key is used
    except FileExistsError:
        pass
    finally:
        aside.unlink()
