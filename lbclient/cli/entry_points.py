"""The list of commands, read from entry points; only the command that runs is loaded."""

from __future__ import annotations

import importlib.metadata

from cliff.command import Command
from cliff.commandmanager import CommandManager

DISTRIBUTION = "lbclient"


class Commands(CommandManager):
    """lbclient's own commands; those of other distributions are looked for when a word is unknown."""

    def load_commands(self, namespace: str) -> None:
        self.group_list.append(namespace)
        self._add(importlib.metadata.distribution(DISTRIBUTION).entry_points.select(group=namespace))

    def add_command(self, name: str, command_class: type[Command]) -> None:
        """Add a command; a command of cliff does not replace one of lbclient."""
        if not (name in self.commands and command_class.__module__.startswith("cliff.")):
            super().add_command(name, command_class)

    def find_command(self, argv: list[str]) -> tuple[type[Command], str, list[str]]:
        try:
            return super().find_command(argv)
        except ValueError:
            for namespace in self.group_list:
                self._add(importlib.metadata.entry_points(group=namespace))
            return super().find_command(argv)

    def _add(self, entry_points: importlib.metadata.EntryPoints) -> None:
        for entry_point in entry_points:
            self.commands.setdefault(entry_point.name.replace("_", " "), entry_point)
