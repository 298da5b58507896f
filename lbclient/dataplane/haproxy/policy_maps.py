"""Maps of L7 policies that change in a running HAProxy, without a reload."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config.cfg import Map
from ..config.render import ADMIN_SOCKET, Configuration
from . import map_files, runtime
from .membership import BARE, NeedsReload

LONGEST = 8000  # bytes of entries in one command; HAProxy's buffer holds 16384
NEW_VERSION = re.compile(r"New version created: (\d+)")

Entry = tuple[str, str]  # (key, value)


@dataclass(frozen=True)
class Change:
    """The entries of a map, as they run and as they are wanted."""

    name: str
    before: Sequence[Entry]
    wanted: Sequence[Entry]


def exchange(directory: Path, wanted: Configuration, known: Configuration | None) -> bool:
    """Give the running HAProxy the wanted maps; return whether any differed.

    HAProxy is asked for its maps if it is not known which configuration it runs. The files are written first, so that a
    restart has them as well, also if this process is killed on the way. Raises NeedsReload or Unreachable.
    """
    changes = between(known, wanted) if known is not None else differing(directory, wanted)
    if changes or known is None:
        map_files.store(directory, wanted)
    if changes:
        make(directory, changes)
        map_files.remember(directory)
        map_files.forget(directory, wanted)
    return bool(changes)


def between(before: Configuration, wanted: Configuration) -> list[Change]:
    """Return how the maps of two configurations with the same fingerprint differ. Raises NeedsReload."""
    known = _labelled(before)
    changes = [
        Change(name, _entries(known[name].text), _entries(each.text))
        for name, each in _labelled(wanted).items()
        if each.text != known[name].text
    ]
    return _checked(changes)


def differing(directory: Path, wanted: Configuration) -> list[Change]:
    """Return how the maps of the running HAProxy differ from the wanted ones. Raises NeedsReload or Unreachable."""
    changes = []
    for name, each in _labelled(wanted).items():
        running, entries = list(_running(directory, name)), _entries(each.text)
        if running != entries:
            changes.append(Change(name, running, entries))
    return _checked(changes)


def make(directory: Path, changes: Sequence[Change]) -> None:
    """Make the changes, each map in one step, so that a request finds all of it or nothing.

    Raises NeedsReload or Unreachable.
    """
    for change in changes:
        if not _make_single(directory, change):
            _replace(directory, change)


def _checked(changes: list[Change]) -> list[Change]:
    """Return the changes unless several maps of one listener change: a request could see only a part of them.

    Raises NeedsReload.
    """
    listeners = [each.name.rsplit("-", 3)[0] for each in changes]
    if len(set(listeners)) < len(listeners):
        raise NeedsReload("L7 policies in several maps change at a time")
    return changes


def _labelled(configuration: Configuration) -> Mapping[str, Map]:
    """Return the maps that can change at run time, by name."""
    return {each.name: each for each in configuration.maps if each.label}


def _entries(text: str) -> list[Entry]:
    return [_entry(line) for line in text.splitlines()]


def _entry(line: str) -> Entry:
    key, _, value = line.partition(" ")
    return key, value


def _running(directory: Path, name: str) -> Iterator[Entry]:
    """Yield the entries of a map in the running HAProxy. Raises NeedsReload if it has no such map."""
    for line in runtime.ask(directory, ADMIN_SOCKET, f"show map {name}").splitlines():
        if line.startswith("0x"):
            yield _entry(line.partition(" ")[2])
        elif line:
            raise NeedsReload(f"the map {name} cannot be read: {line}")


def _make_single(directory: Path, change: Change) -> bool:
    """Make a change of a single entry; return False if the change is a larger one."""
    before, wanted = list(change.before), list(change.wanted)
    if wanted[:-1] == before:
        _add(directory, change.name, wanted[-1:])
        return True
    place = next((place for place, pair in enumerate(zip(before, wanted, strict=False)) if pair[0] != pair[1]), None)
    place = len(wanted) if place is None else place
    if place >= len(before) or not BARE.fullmatch(before[place][0]) or ";" in before[place][0]:
        return False
    key = before[place][0]
    if before[:place] + before[place + 1 :] == wanted:
        _do(directory, f"del map {change.name} {key}")
        return True
    return False


def _replace(directory: Path, change: Change) -> None:
    """Give the map another version, which takes effect as a whole."""
    said = runtime.ask(directory, ADMIN_SOCKET, f"prepare map {change.name}")
    version = NEW_VERSION.search(said)
    if version is None:
        raise NeedsReload(f"HAProxy refuses a change of a map at run time: {said.strip()}")
    _add(directory, f"@{version[1]} {change.name}", change.wanted)
    _do(directory, f"commit map @{version[1]} {change.name}")


def _add(directory: Path, place: str, entries: Sequence[Entry]) -> None:
    lines: list[str] = []
    for key, value in entries:
        lines.append(f"{key} {value}\n")
        if sum(map(len, lines)) > LONGEST:
            _do(directory, f"add map {place} <<\n{''.join(lines)}")
            lines = []
    if lines:
        _do(directory, f"add map {place} <<\n{''.join(lines)}")


def _do(directory: Path, command: str) -> None:
    """Send a command whose answer is empty on success. Raises NeedsReload or Unreachable."""
    said = runtime.ask(directory, ADMIN_SOCKET, command).strip()
    if said:
        raise NeedsReload(f"HAProxy refuses a change of a map at run time: {said}")
