"""Descriptions of commands kept in files, so that a word is completed without loading cliff and the resources.

A file is valid for the modules that it was made from: its first line is a fingerprint of these and of what is installed
beside them. The files contain what `--help` shows, nothing of the user's.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from ... import __version__
from ...client.cache_folder import cache_folder
from .described import BETWEEN_FIELDS, Described, read_action

PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = ("cli", "resources", "client")  # the packages whose modules say what a command takes
COMMANDS, MEANINGS, PROGRAM = ":commands", ":meanings", ":program"  # no command has these names


class Kept:
    """The descriptions, each read from its file, or made and written there for the next time."""

    def __init__(self) -> None:
        self._folder = cache_folder("completion", os.environ) or ""
        self._fingerprint = _fingerprint() if self._folder else ""

    def commands(self) -> list[str]:
        """Return the names of all commands."""
        lines = self._read(COMMANDS)
        if lines is None:
            from . import describe

            lines = describe.commands()
            self._write(COMMANDS, lines)
        return lines

    def meaning(self, name: str) -> str:
        """Return the first sentence about a command."""
        lines = self._read(MEANINGS)
        if lines is None:
            from . import describe

            lines = [f"{name}{BETWEEN_FIELDS}{' '.join(said.split())}" for name, said in describe.meanings().items()]
            self._write(MEANINGS, lines)
        start = f"{name}{BETWEEN_FIELDS}"
        return next((line[len(start) :] for line in lines if line.startswith(start)), "")

    def program(self, argv: list[str]) -> Described:
        """Return the program's global options; those of rare authentication types are looked up, not kept."""
        found = self._actions(PROGRAM)
        if found is not None and _are_known(argv, found):
            return found
        from . import describe

        made = describe.program(argv)
        if found is None and _are_known(argv, plain := describe.program([])):
            self._write(PROGRAM, [action.line() for action in plain.actions])
        return made

    def command(self, name: str) -> Described:
        """Return the options and arguments of a command."""
        found = self._actions(name)
        if found is None:
            from . import describe

            found = describe.command(name)
            self._write(name, [action.line() for action in found.actions])
        return found

    def _actions(self, name: str) -> Described | None:
        lines = self._read(name)
        try:
            return None if lines is None else Described([read_action(line) for line in lines])
        except ValueError:
            return None

    def _read(self, name: str) -> list[str] | None:
        """Return the lines of a file; None if it is missing, another user's, or older than the modules."""
        try:
            with open(os.path.join(self._folder, name), encoding="utf-8") as file:
                state = os.fstat(file.fileno())
                if state.st_uid != os.geteuid() or state.st_mode & 0o022:
                    return None
                first, *lines = file.read().split("\n")
        except (OSError, ValueError):
            return None
        return lines[:-1] if first == self._fingerprint else None

    def _write(self, name: str, lines: list[str]) -> None:
        """Keep lines under a name. Errors of the file system are ignored: the next completion takes longer."""
        if not self._folder:
            return
        path = os.path.join(self._folder, name)
        from ... import files  # here: most completions write nothing

        with suppress(OSError):
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            text = "".join(f"{line}\n" for line in (self._fingerprint, *lines))
            files.replace(path, text, is_durable=False)


def _are_known(argv: list[str], program: Described) -> bool:
    """Return whether the program's usual options contain every one of these that begins with --os-."""
    return all(word.partition("=")[0] in program.options for word in argv if word.startswith("--os-"))


def _fingerprint() -> str:
    """Return a text that differs after a module has changed or a distribution has been installed."""
    states = [f"{folder}:{_changed(folder)}" for folder in sys.path if folder]
    sources = [path for name in SOURCES for path in _modules(os.path.join(PACKAGE, name))]
    newest = max(map(_changed, sources), default=0)
    return f"{__version__} {PACKAGE} {sys.version.split()[0]} {len(sources)} {newest} {' '.join(states)}"


def _modules(folder: str) -> list[str]:
    found = []
    for entry in os.scandir(folder):
        if entry.name.endswith(".py"):
            found.append(entry.path)
        elif entry.name != "__pycache__" and entry.is_dir():
            found += _modules(entry.path)
    return found


def _changed(path: str) -> int:
    """Return the time of the last change in ns since 1970, 0 for what does not exist."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
