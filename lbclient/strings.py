"""Questions about strings that several packages ask."""

from __future__ import annotations

import uuid


def is_uuid(text: str) -> bool:
    """Whether the string is a UUID in its usual form: lower case, with hyphens."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def is_storable(text: str) -> bool:
    """Whether databases can store the string: PostgreSQL rejects NUL, and UTF-8 cannot encode lone surrogates."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
