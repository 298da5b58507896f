"""Strings that several packages check or print."""

from __future__ import annotations

import uuid


def reason(error: BaseException) -> str:
    """Return why something failed in one line without a full stop, to be put into a sentence.

    That is the system's message of an OSError, otherwise the first line of the error's own.
    """
    text = getattr(error, "strerror", None) or (str(error).strip() or type(error).__name__).splitlines()[0]
    return str(text).removesuffix(".")


def is_uuid(text: str) -> bool:
    """Whether the string is a UUID in its usual form: lower case, with hyphens."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def is_storable(text: str) -> bool:
    """Whether databases can store the string: PostgreSQL rejects NUL, and UTF-8 cannot encode lone surrogates."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
