"""The help of one command, and of all commands."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..client.errors import WrongUsage
from . import deferred, suggestions

with deferred.imports():
    import autopage.argparse
    from cliff import _argparse
    from cliff import help as cliff_help

# Help texts for cliff's own options, in the style of the others.
WORDS = {
    "--help": "Show this help and exit.",
    "--format": "The output format ({default}).",
    "--column": "Show only this column. Can be repeated.",
    "--quote": "Which values stand in quotes ({default}).",
    "--noindent": "Everything in one line.",
    "--max-width": "How many characters wide at most; 0 is no limit (CLIFF_MAX_TERM_WIDTH, else the terminal).",
    "--fit-width": "No wider than the terminal; on a terminal it always is so.",
    "--print-empty": "Print it even without rows.",
    "--sort-column": "Sort by this column. Can be repeated: the first one given counts most.",
    "--sort-ascending": "Sort the smallest first.",
    "--sort-descending": "Sort the largest first.",
    "--prefix": "What the variables' names begin with.",
}
TITLES = {
    "output formatters": "output",
    "CSV Formatter": "output as csv",
    "json formatter": "output as json",
    "shell formatter": "output as shell variables",
    "table formatter": "output as a table",
}
INDENT = "  "  # of further lines of a usage
START = (
    ("demo", "play a guide, with real traffic"),
    ("lab", "a private network with a server"),
    ("doctor", "check the cloud and this machine"),
    ("help loadbalancer member", "list what begins so"),
    ("loadbalancer create --help", "say what a command takes"),
)
WIDTH = 79
START_WIDTH = max(len(line) for line, _ in START)
GLUE = "\N{NO-BREAK SPACE}"


class Help(_argparse.SmartHelpFormatter):
    """Help that keeps paragraphs, and the lines of examples as they are."""

    def _format_usage(self, *arguments: Any) -> str:
        usage = str(super()._format_usage(*arguments))
        if len(usage.strip().splitlines()) == 1:
            return usage
        head, parts = _parts(usage, self._prog)
        import textwrap  # imported late, as shutil is: most commands show no help

        lines = textwrap.wrap(
            " ".join(parts), self._width - len(INDENT), break_on_hyphens=False, break_long_words=False
        )
        return "\n".join((head, *(f"{INDENT}{line.replace(GLUE, ' ')}" for line in lines), "", ""))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(self._paragraph(paragraph, width, indent) for paragraph in text.split("\n\n"))

    @staticmethod
    def _paragraph(paragraph: str, width: int, indent: str) -> str:
        import textwrap

        if "\n  " in paragraph:
            return textwrap.indent(paragraph, indent)
        return textwrap.fill(" ".join(paragraph.split()), width, initial_indent=indent, subsequent_indent=indent)


def _parts(usage: str, program: str) -> tuple[str, list[str]]:
    """Split a usage into its beginning and its parts; an option and its value are one part."""
    words = usage.split()
    start = len(program.split()) + 1
    text = " ".join(words[start:])
    return " ".join(words[:start]), [
        re.sub(r" (?=[<{A-Z.])(?<!\| )", GLUE, part) for part in re.split(r" (?=[\[(])", text)
    ]


def complete(parser: argparse.ArgumentParser, examples: Sequence[str], app: Any) -> None:
    """Add the examples to a command's parser, and reword the help of cliff's options."""
    parser.formatter_class = Help
    parser.epilog = _epilog(parser.prog, examples, is_document=app is None)
    for action in parser._actions:
        words = WORDS.get(action.option_strings[-1]) if action.option_strings else None
        if words:
            action.help = words.format(default=action.default)
    for group in parser._action_groups:
        if group.title in TITLES:
            group.title, group.description = TITLES[group.title], None


def _epilog(program: str, examples: Sequence[str], *, is_document: bool) -> str:
    if not examples:
        return ""
    title = "examples" if len(examples) > 1 else "example"
    lines = [f"{program} {example}".strip() for example in examples]
    if is_document:  # the manual needs a literal block
        return "\n".join((f"{title}::", "", *(f"    {line}" for line in lines)))
    return "\n".join((f"{title}:", *(f"  {line}" for line in lines)))


class ShowHelp(cliff_help.HelpCommand):
    """Show the help of a command, or of all.

    Words may be abbreviated as long as one command begins so.
    """

    examples = ("loadbalancer create", "")

    def get_epilog(self) -> str:
        return ""  # cliff's own scans all installed distributions

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        suggestions.attach(parser, self.app)
        complete(parser, self.examples, self.app)
        (command,) = (action for action in parser._actions if not action.option_strings)
        command.metavar, command.help = "<command>", "The words of the command."
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        words: list[str] = parsed_args.cmd
        app: Any = self.app
        if not words or _is_known(app, words):
            return int(super().take_action(parsed_args))
        known = list(app.command_manager)
        begun = [(name, command) for name, command in known if _begins(name.split(), words)]
        begun = begun or [(name, command) for name, command in known if suggestions.containing(words, [name.split()])]
        if not begun:
            app.LOG.error(app.unknown(words))
            return WrongUsage.exit_status
        app.stdout.writelines(listed(begun, is_narrow=app.stdout.isatty()))
        return 0

    def get_description(self) -> str:
        return inspect.getdoc(type(self)) or ""

    def _load_hooks(self) -> None:
        self._hooks: Any = []


def _begins(name: Sequence[str], words: Sequence[str]) -> bool:
    """Return whether a command's name begins with these words, which may be abbreviated."""
    return len(name) > len(words) and all(part.startswith(word) for part, word in zip(name, words, strict=False))


def listed(commands: Iterable[tuple[str, Any]], *, is_narrow: bool) -> Iterator[str]:
    """Yield a line for each command with its description, or several lines on a narrow terminal."""
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns if is_narrow else sys.maxsize
    lines = [(name, _first_line(entry_point)) for name, entry_point in sorted(commands, key=lambda command: command[0])]
    indent = max(len(name) for name, _ in lines) + 4
    for name, line in lines:
        first, *others = textwrap.wrap(line, max(20, width - indent)) or [""]
        yield f"  {name:<{indent - 4}}  {first}".rstrip() + "\n"
        yield from (f"{' ' * indent}{other}\n" for other in others)


def _is_known(app: Any, words: list[str]) -> bool:
    try:
        app.command_manager.find_command(words)
    except ValueError:
        return False
    return True


def show_all(app: Any) -> None:
    """Print all commands and the global options, and exit."""
    import textwrap

    pager = autopage.argparse.help_pager(app.stdout)
    with pager as out:
        autopage.argparse.use_color_for_parser(app.parser, pager.to_terminal())
        description = textwrap.fill(str(app.parser.description), WIDTH)
        out.write(f"usage: {app.NAME} [<options>] <command> [<arguments>]\n\n{description}\n\nto start:\n")
        out.writelines(f"  {app.NAME} {line:<{START_WIDTH}}  {words}\n" for line, words in START)
        from . import overview  # imported late: only needed here

        out.write("\ncommands:\n")
        for title, commands in overview.groups(app.command_manager):
            out.write(f"\n{title}:\n")
            out.writelines(listed(commands, is_narrow=pager.to_terminal()))
        out.write(f"\n{_options(app.parser)}")
    raise cliff_help.HelpExit()


def _options(parser: argparse.ArgumentParser) -> str:
    """Return the help of the options only, with the credentials last."""
    formatter = parser._get_formatter()
    for group in parser._action_groups:
        formatter.start_section(group.title)
        formatter.add_text(group.description)
        formatter.add_arguments(group._group_actions)
        formatter.end_section()
    return formatter.format_help()


def _first_line(entry_point: Any) -> str:
    try:
        doc = entry_point.load().__doc__ or ""
    except ImportError as error:  # the extra that it needs is not installed
        return f"(not available: {error})"
    return str(doc.strip().split("\n")[0])
