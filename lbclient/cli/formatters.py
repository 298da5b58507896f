"""cliff's output formats, without a search through everything that is installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cliff.formatters.commaseparated import CSVLister
from cliff.formatters.json_format import JSONFormatter
from cliff.formatters.shell import ShellFormatter
from cliff.formatters.table import TableFormatter
from cliff.formatters.value import ValueFormatter
from cliff.formatters.yaml_format import YAMLFormatter

KINDS: dict[str, dict[str, Any]] = {
    "cliff.formatter.list": {
        "csv": CSVLister,
        "json": JSONFormatter,
        "table": TableFormatter,
        "value": ValueFormatter,
        "yaml": YAMLFormatter,
    },
    "cliff.formatter.show": {
        "json": JSONFormatter,
        "shell": ShellFormatter,
        "table": TableFormatter,
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
