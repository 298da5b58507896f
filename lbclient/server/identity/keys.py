"""The keys that tokens are sealed with: files that only this user reads, named by their number; the highest seals."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet

KEPT = 3  # tokens sealed with an older key are no longer accepted


def load(directory: Path) -> MultiFernet:
    """All keys of the directory; a first one is made where there is none."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _numbers(directory):
        _add(directory, 1)
    return MultiFernet([Fernet((directory / str(number)).read_bytes()) for number in _numbers(directory)])


def rotate(directory: Path) -> None:
    """Seal with a new key from now on, and forget the oldest; servers see it when they start."""
    numbers = _numbers(directory)
    _add(directory, max(numbers, default=0) + 1)
    for number in numbers[KEPT - 1 :]:
        (directory / str(number)).unlink()


def _numbers(directory: Path) -> list[int]:
    return sorted((int(path.name) for path in directory.iterdir() if path.name.isdecimal()), reverse=True)


def _add(directory: Path, number: int) -> None:
    aside = directory / f".{number}.{os.getpid()}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, directory / str(number))  # who comes second uses the key of who came first
    except FileExistsError:
        pass
    finally:
        aside.unlink()
