"""An interactive prompt for several commands in a row."""

from __future__ import annotations

import argparse
import inspect
import sys
from typing import Any

from cliff.command import Command

from . import help, suggestions


class ShellPrompt(Command):
    """Read commands from a prompt, until `quit` or the end of the input."""

    examples = ("",)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        suggestions.attach(parser, self.app)
        help.complete(parser, self.examples, self.app)
        return parser

    def get_description(self) -> str:
        return inspect.getdoc(type(self)) or ""

    def get_epilog(self) -> str:
        return ""  # cliff's own scans all installed distributions

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        app: Any = self.app
        app.interactive_mode = True
        del sys.argv[1:]  # cmd2 would run them as commands
        app.prompt()
        return 0

    def _load_hooks(self) -> None:
        self._hooks: Any = []
