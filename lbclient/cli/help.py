"""Help: of one command, and of all."""

from __future__ import annotations

from typing import Any

import autopage.argparse
from cliff import help as cliff_help


class ShowHelp(cliff_help.HelpCommand):
    """Show the help of a command."""

    def get_epilog(self) -> str:
        return ""  # cliff's own looks through everything that is installed

    def _load_hooks(self) -> None:
        self._hooks: Any = []


def show_all(app: Any) -> None:
    """Print the global options and all commands, and leave."""
    pager = autopage.argparse.help_pager(app.stdout)
    with pager as out:
        autopage.argparse.use_color_for_parser(app.parser, pager.to_terminal())
        app.parser.print_help(out)
        out.write("\ncommands:\n")
        lines = [(name, _first_line(entry_point)) for name, entry_point in sorted(app.command_manager)]
        width = max(len(name) for name, _ in lines)
        out.writelines(f"  {name:<{width}}  {line}\n" for name, line in lines)
        out.write(f"\n`{app.NAME} help COMMAND` says more about a command.\n")
    raise cliff_help.HelpExit()


def _first_line(entry_point: Any) -> str:
    try:
        doc = entry_point.load().__doc__ or ""
    except ImportError as error:  # its extra is not installed
        return f"(not available: {error})"
    return str(doc.strip().split("\n")[0])
