"""The base class of commands of this program alone, which need no cloud: the server, the lab, the prompt."""

from __future__ import annotations

import argparse
import inspect

from cliff.command import Command

from . import help, suggestions


class LocalCommand(Command):
    """A command without a connection to a cloud; `examples` are arguments after its name, for the help."""

    examples: tuple[str, ...] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        suggestions.attach(parser, self.app)
        help.complete(parser, self.examples, self.app)
        return parser

    def get_description(self) -> str:
        return inspect.getdoc(type(self)) or ""

    def get_epilog(self) -> str:
        return ""  # cliff's own scans all installed distributions
