"""The width of text in columns of a terminal."""

from __future__ import annotations

import unicodedata


def width_of(text: str) -> int:
    """Return the width of a text in columns: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(cell(character) for character in text)


def cell(character: str) -> int:
    """Return the number of columns that one character takes."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
