"""The list of commands, read from entry points; only the command that runs is loaded."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import __version__
from . import deferred

with deferred.imports():
    from cliff.command import Command
    from cliff.commandmanager import CommandManager

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

DISTRIBUTION = "lbclient"
# Where an installer writes the entry points, below a folder of sys.path.
LISTS = (f"{DISTRIBUTION}-{__version__}.dist-info/entry_points.txt", f"{DISTRIBUTION}.egg-info/entry_points.txt")


@dataclass(frozen=True)
class Listed:
    """An entry point of this distribution, read without importlib.metadata."""

    name: str
    value: str  # module:class

    def load(self) -> Any:
        module, _, attribute = self.value.partition(":")
        return getattr(importlib.import_module(module), attribute)


class Commands(CommandManager):
    """lbclient's own commands; those of other distributions are looked for when a word is unknown."""

    def load_commands(self, namespace: str) -> None:
        self.group_list.append(namespace)
        self._add(own(namespace))

    def add_command(self, name: str, command_class: type[Command]) -> None:
        """Add a command; a command of cliff does not replace one of lbclient."""
        if not (name in self.commands and command_class.__module__.startswith("cliff.")):
            super().add_command(name, command_class)

    def find_command(self, argv: list[str]) -> tuple[type[Command], str, list[str]]:
        try:
            return super().find_command(argv)
        except ValueError:
            import importlib.metadata  # imported late: it is slow, and few commands are of other distributions

            for namespace in self.group_list:
                self._add(importlib.metadata.entry_points(group=namespace))
            return super().find_command(argv)

    def _add(self, entry_points: Iterable[Listed | EntryPoint]) -> None:
        for entry_point in entry_points:
            commands: dict[str, Any] = self.commands
            commands.setdefault(entry_point.name.replace("_", " "), entry_point)


def own(namespace: str) -> Iterable[Listed | EntryPoint]:
    """Return the entry points of this distribution in a group, from the first list on sys.path."""
    for folder in sys.path:
        for name in LISTS:
            try:
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    return list(_section(file, namespace))
            except OSError:
                continue
    import importlib.metadata

    return importlib.metadata.distribution(DISTRIBUTION).entry_points.select(group=namespace)


def _section(lines: Iterable[str], wanted: str) -> Iterable[Listed]:
    """Yield the entry points of a section, in which each line is `name = module:class`."""
    section = ""
    for line in map(str.strip, lines):
        name, sign, value = line.partition("=")
        if line.startswith("["):
            section = line.strip("[]")
        elif sign and section == wanted:
            yield Listed(name.strip(), value.strip())
