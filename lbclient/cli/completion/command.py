"""The command that prints a shell's completion script."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..command import Command

SHELLS = ("bash", "fish", "zsh")


class Complete(Command):
    """Print what a shell has to read to complete commands, options and names of load balancers and of what they have.

    Into ~/.bashrc: eval "$(lbclient complete bash)". Into ~/.zshrc, behind compinit: eval "$(lbclient complete zsh)".
    Into ~/.config/fish/config.fish: lbclient complete fish | source.
    """

    examples = ("bash > ~/.local/share/bash-completion/completions/lbclient", "zsh", "fish")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("shell", metavar="<shell>", choices=SHELLS, help=f"The shell: {', '.join(SHELLS)}.")

    def take_action(self, parsed: argparse.Namespace) -> None:
        self.app.stdout.write(script(parsed.shell))


def script(shell: str) -> str:
    """Return the completion script of a shell."""
    return Path(__file__).with_name(f"lbclient.{shell}").read_text(encoding="utf-8")
