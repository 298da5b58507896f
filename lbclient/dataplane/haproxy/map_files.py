"""Files of maps in a load balancer's directory, and links to those that belong to the last good configuration."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ... import files
from ..config.cfg import MAPS
from ..config.render import Configuration

GOOD = ".good"  # a link to what the last good configuration was loaded with


def store(directory: Path, wanted: Configuration) -> None:
    """Write the maps atomically, before a configuration names them; only their owner may read them."""
    if not wanted.maps:
        return
    (directory / MAPS).mkdir(mode=0o700, exist_ok=True)
    for each in wanted.maps:
        path = directory / each.name
        if not _is_whole(path, each.text):
            files.replace(path, each.text, is_durable=False)


def forget(directory: Path, wanted: Configuration) -> None:
    """Delete all other maps; nothing may refer to them any more."""
    kept = {f"{each.name}{suffix}" for each in wanted.maps for suffix in ("", GOOD)}
    for path in (directory / MAPS).glob("*"):
        if f"{MAPS}/{path.name}" not in kept:
            path.unlink(missing_ok=True)
    if not kept:
        with contextlib.suppress(OSError):
            (directory / MAPS).rmdir()


def remember(directory: Path) -> None:
    """Keep the maps as those of the last good configuration."""
    for path in (directory / MAPS).glob("*.map"):
        good = path.with_name(path.name + GOOD)
        if good.exists() and good.samefile(path):
            continue
        files.link(path, good)


def restore(directory: Path) -> None:
    """Put the maps of the last good configuration back."""
    for good in (directory / MAPS).glob(f"*{GOOD}"):
        files.link(good, good.with_suffix(""))


def _is_whole(path: Path, text: str) -> bool:
    """Whether the file has its text: a machine that crashed may have left a part of it."""
    try:
        return path.read_text() == text
    except (OSError, UnicodeDecodeError):
        return False
