"""Escaping of text from a server, so that it cannot control the terminal."""

from __future__ import annotations

import re
from typing import Any

# C0 and C1 controls except tab and line feed; marks that reverse or hide text; line separators; lone surrogates.
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def safe(text: str) -> str:
    r"""Replace characters that would control a terminal by escapes such as \x1b or \u202e."""
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def safe_value(value: Any) -> Any:
    """Escape every text in a value, including nested lists and dictionaries."""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, list | tuple):
        return [safe_value(each) for each in value]
    if isinstance(value, dict):
        return {safe_value(key): safe_value(each) for key, each in value.items()}
    return value
