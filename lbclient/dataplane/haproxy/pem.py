"""Files of certificates and keys in a load balancer's directory. Each generation has a directory that never changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..config.render import Configuration
from ..config.tls import DIRECTORY, File

ASIDE = ".new"


def store(directory: Path, wanted: Configuration) -> None:
    """Write the files atomically, all of them or none; only their owner may read them."""
    if not wanted.generation or _is_whole(directory, wanted):
        return
    place = _place(directory, wanted.generation)
    aside = place.with_name(place.name + ASIDE)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    for each in wanted.files:
        path = aside / each.name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with open(path, "x", opener=_private) as file:
            file.write(each.text)
    shutil.rmtree(place, ignore_errors=True)  # incomplete: the machine may have crashed during a write
    os.replace(aside, place)


def differing(directory: Path, generation: str, wanted: Configuration) -> list[File]:
    """Return the files whose contents differ from those of another generation."""
    place = _place(directory, generation)
    return [each for each in wanted.files if _text(place / each.name) != each.text]


def forget(directory: Path, wanted: Configuration) -> None:
    """Delete all other generations; nothing may refer to them any more."""
    kept = f"{DIRECTORY}{wanted.generation}"
    for place in directory.glob(f"{DIRECTORY}*"):
        if place.name != kept:
            shutil.rmtree(place, ignore_errors=True)


def named(text: str, wanted: Configuration) -> str:
    """Replace file names in a message of HAProxy by the references that users know."""
    for each in wanted.files:
        text = text.replace(f"{DIRECTORY}{wanted.generation}/{each.name}", each.reference)
    return text


def _is_whole(directory: Path, wanted: Configuration) -> bool:
    place = _place(directory, wanted.generation)
    return all(_text(place / each.name) == each.text for each in wanted.files)


def _place(directory: Path, generation: str) -> Path:
    return directory / f"{DIRECTORY}{generation}"


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
