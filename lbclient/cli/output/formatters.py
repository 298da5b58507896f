"""cliff's output formats, without a scan of all installed distributions."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from ...client.safe_text import safe, safe_value
from .. import deferred

with deferred.imports():
    from cliff.columns import FormattableColumn
    from cliff.formatters.commaseparated import CSVLister
    from cliff.formatters.json_format import JSONFormatter
    from cliff.formatters.shell import ShellFormatter
    from cliff.formatters.table import TableFormatter
    from cliff.formatters.value import ValueFormatter
    from cliff.formatters.yaml_format import YAMLFormatter

from .columns import Cell

FIELD = ("Field", "Value")  # the headings of cliff's tables of a single object
PLAIN = re.compile("[\n -~]*")  # text whose characters all take one column
SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\$`"})  # escaped in the shell's double quotes


class ReadableShellFormatter(ShellFormatter):
    """Variables that a shell reads as they are meant, whatever is in a name; cliff's own escapes quotes only."""

    def emit_one(
        self, column_names: Sequence[str], data: Sequence[Any], stdout: TextIO, parsed_args: argparse.Namespace
    ) -> None:
        escaped = [value.translate(SPECIAL) if isinstance(value, str) else value for value in data]
        super().emit_one(column_names, escaped, stdout, parsed_args)


class FittingTableFormatter(TableFormatter):
    """Tables, and lists that fit into a terminal of any width; cliff's own make no column narrower than its heading."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        records = list(data)
        room = int(parsed_args.max_width)
        is_wide = bool(records) and room <= 0 and stdout.isatty() and getattr(parsed_args, "wide", False)
        if is_wide:
            return _write(column_names, records, stdout)
        if room <= 0 and stdout.isatty():
            import shutil

            room = shutil.get_terminal_size().columns
            if records and not parsed_args.columns:
                column_names, records = _fitting(column_names, records, room)
        if room <= 0 or not records or not _written(column_names, records, stdout, room):
            is_right = [type(value) in (int, float) for value in records[0]] if records else []
            texts = None if parsed_args.print_empty else _plain(column_names, records, stdout, parsed_args)
            if texts is None:
                super().emit_list(column_names, records, stdout, parsed_args)
            else:
                _write_natural(column_names, texts, is_right, stdout)
        return None

    def emit_one(
        self, column_names: Sequence[str], data: Sequence[Any], stdout: TextIO, parsed_args: argparse.Namespace
    ) -> None:
        texts = _plain(FIELD, list(zip(column_names, data, strict=True)), stdout, parsed_args)
        if texts is None:
            super().emit_one(column_names, data, stdout, parsed_args)
        else:
            _write_natural(FIELD, texts, (False, False), stdout)


def _fitting(
    names: Sequence[str], records: Sequence[Sequence[Any]], room: int
) -> tuple[Sequence[str], list[Sequence[Any]]]:
    """Return the columns that fit into a terminal; print the names of the others on stderr."""
    from . import table

    rows = [[_text(value) for value in record] for record in records]
    if table.natural_width(names, rows) <= room:
        return names, list(records)
    numbers = table.staying(names, rows, room)
    left = [name for number, name in enumerate(names) if number not in numbers]
    if left:
        import textwrap  # imported late: few lists do not fit

        print(*textwrap.wrap(f"Left out: {', '.join(left)}; --wide shows all.", room), sep="\n", file=sys.stderr)
    return [names[number] for number in numbers], [[record[number] for number in numbers] for record in records]


def _plain(
    names: Sequence[str], records: Sequence[Sequence[Any]], stdout: TextIO, parsed_args: argparse.Namespace
) -> list[list[str]] | None:
    """Return the cells of a table that needs neither wrapping nor prettytable, which is slow to load; else None."""
    rows = [[_text(value) for value in record] for record in records]
    if not all(PLAIN.fullmatch("".join(row)) for row in (names, *rows)):
        return None
    width = int(parsed_args.max_width)
    if width <= 0 and (parsed_args.fit_width or sys.stdout.isatty()):
        from cliff import utils

        width = utils.terminal_width() or 0
    if width > 0 and rows:
        from . import table

        return rows if table.natural_width(names, rows) <= width else None
    return rows


def _write_natural(
    names: Sequence[str], rows: Sequence[Sequence[str]], is_right: Sequence[bool], stdout: TextIO
) -> None:
    from . import table

    stdout.write(f"{table.natural(names, rows, is_right)}\n")


class SafeFormatter:
    """A wrapper that escapes control characters: always in tables, and on a terminal in other formats.

    Programs that read from a pipe get values unchanged. JSON and YAML escape them by themselves.
    """

    def __init__(self, formatter: Any) -> None:
        self._formatter = formatter

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        is_shown = _is_shown(stdout, parsed_args)
        rows = ([_safe(value) for value in row] for row in data) if is_shown else data
        self._formatter.emit_list(column_names, rows, stdout, parsed_args)

    def emit_one(
        self, column_names: Sequence[str], data: Sequence[Any], stdout: TextIO, parsed_args: argparse.Namespace
    ) -> None:
        values = [_safe(value) for value in data] if _is_shown(stdout, parsed_args) else data
        self._formatter.emit_one(column_names, values, stdout, parsed_args)


def _is_shown(stdout: TextIO, parsed_args: argparse.Namespace) -> bool:
    return parsed_args.formatter == "table" or (parsed_args.formatter not in ("json", "yaml") and stdout.isatty())


def _safe(value: Any) -> Any:
    if isinstance(value, FormattableColumn):
        return Cell(safe_value(value.machine_readable()), safe(str(value.human_readable())))
    return safe_value(value)


def _written(column_names: Sequence[str], records: Sequence[Sequence[Any]], stdout: TextIO, room: int) -> bool:
    """Write a list that is wider than the terminal, fitted to its width; return False if it fits anyway."""
    from . import table  # imported late: only terminals need it

    rows = [[_text(value) for value in record] for record in records]
    if table.natural_width(column_names, rows) <= room:
        return False
    _write(column_names, records, stdout, room)
    return True


def _write(names: Sequence[str], records: Sequence[Sequence[Any]], stdout: TextIO, width: int | None = None) -> None:
    """Write a list in the given width, or in its natural width if there is none."""
    from . import table

    rows = [[_text(value) for value in record] for record in records]
    is_number = [isinstance(value, int) and not isinstance(value, bool) for value in records[0]]
    width = width or table.natural_width(names, rows)
    stdout.writelines(f"{line}\n" for line in table.lines(names, rows, is_number, width))


def _text(value: Any) -> str:
    shown = value.human_readable() if isinstance(value, FormattableColumn) else value
    return str(shown).replace("\r\n", "\n").replace("\r", " ")


KINDS: dict[str, dict[str, Any]] = {
    "cliff.formatter.list": {
        "csv": CSVLister,
        "json": JSONFormatter,
        "table": FittingTableFormatter,
        "value": ValueFormatter,
        "yaml": YAMLFormatter,
    },
    "cliff.formatter.show": {
        "json": JSONFormatter,
        "shell": ReadableShellFormatter,
        "table": FittingTableFormatter,
        "value": ValueFormatter,
        "yaml": YAMLFormatter,
    },
}


@dataclass
class Extension:
    """A formatter as cliff expects it from stevedore."""

    name: str
    obj: Any


class Formatters:
    """The formatters of lists or of single objects, as cliff expects them from stevedore."""

    def __init__(self, namespace: str) -> None:
        self._extensions = {name: Extension(name, kind()) for name, kind in KINDS[namespace].items()}

    def __iter__(self) -> Iterator[Extension]:
        return iter(self._extensions.values())

    def __getitem__(self, name: str) -> Extension:
        return self._extensions[name]

    def names(self) -> list[str]:
        return list(self._extensions)
