"""Formatting of values for tables, JSON and shells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cliff.columns import FormattableColumn

from ...resources import Field, Resource, Type

PLAIN_FORMATS = ("csv", "shell", "value")  # formats in which a list must be one word


class Cell(FormattableColumn[Any]):
    """A value that reads otherwise in a table than in JSON."""

    def __init__(self, value: Any, text: str | None) -> None:
        super().__init__(value)
        self.text = text

    def human_readable(self) -> str:
        return str(self.text)

    def __lt__(self, other: object) -> bool:
        return isinstance(other, Cell) and str(self.text) < str(other.text)

    __hash__ = None  # type: ignore[assignment]


def row(resource: Resource, names: Sequence[str], record: dict[str, Any], output: str) -> list[Any]:
    """Return the cells of one object for these columns and one of cliff's output formats."""
    return [_cell(resource, name, record, output) for name in names]


def _cell(resource: Resource, name: str, record: dict[str, Any], output: str) -> Any:
    former = dict(resource.former_names).get(name)
    field = resource[former or name]
    value = record.get(field.name)
    if output in PLAIN_FORMATS:
        return "" if field.name not in record else plain(value)
    if value is None:
        return Cell(None, "") if field.blank or former or field.name not in record else None
    if isinstance(value, (list, dict)):
        return Cell(value, _lines(field, value))
    return value


def plain(value: Any) -> Any:
    """Return a list or a mapping as one line, in the form that options take."""
    if isinstance(value, dict):
        return ",".join(_pairs(value))
    if isinstance(value, list):
        return ",".join(_words(value, ";"))
    return value


def _lines(field: Field, value: list[Any] | dict[str, Any]) -> str:
    """Return a list or a mapping for a table, with one element per line."""
    if isinstance(value, dict):
        return "\n".join(_pairs(value)) or "None"
    if not value:
        return "" if field.blank or field.type is Type.REFERENCES else "[]"
    return "\n".join(_words(value, ","))


def _words(elements: Iterable[Any], separator: str) -> list[str]:
    return [_word(element, separator) for element in elements]


def _word(element: Any, separator: str) -> str:
    if not isinstance(element, dict):
        return str(element)
    return str(element["id"]) if list(element) == ["id"] else separator.join(_pairs(element))


def _pairs(mapping: dict[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in mapping.items()]
