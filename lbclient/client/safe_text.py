"""Text out of a server's answers, before a terminal sees it: what would steer that is written out instead."""

from __future__ import annotations

import re
from typing import Any

# Controls but line feed and tab, those of C1 too; marks that turn or hide text; ends of lines; halves of characters.
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def safe(text: str) -> str:
    r"""The text with \x1b or \u202e in place of what would steer a terminal."""
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def safe_value(value: Any) -> Any:
    """The same for every text within a value."""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, list | tuple):
        return [safe_value(each) for each in value]
    if isinstance(value, dict):
        return {safe_value(key): safe_value(each) for key, each in value.items()}
    return value
