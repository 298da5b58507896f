"""An interactive prompt for several commands in a row."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .local import LocalCommand


class ShellPrompt(LocalCommand):
    """Read commands from a prompt, until `quit` or the end of the input."""

    examples = ("",)

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        app: Any = self.app
        app.interactive_mode = True
        del sys.argv[1:]  # cmd2 would run them as commands
        app.prompt()
        return 0

    def _load_hooks(self) -> None:
        self._hooks: Any = []
