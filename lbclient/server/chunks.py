"""Bodies that come in chunks, without a length: collected before anything else looks at the request.

Whatever of them stayed unread would be taken for the next request of the connection.
"""

from __future__ import annotations

import io
from typing import Any

from cheroot.errors import MaxSizeExceeded

from .errors import BadRequest, TooLarge

PIECE = 65536  # bytes


def collect(env: dict[str, Any], maximum: int) -> None:
    """Give the request a body of a known length, of one byte more than the maximum where there is more."""
    if "HTTP_TRANSFER_ENCODING" not in env:
        return
    stream = env["wsgi.input"]
    try:
        body = stream.read(maximum + 1)
        pass_over(stream)
    except MaxSizeExceeded:
        raise TooLarge("The body is too large.") from None
    except ValueError:
        raise BadRequest("The chunks of the body cannot be told apart.") from None
    env["wsgi.input"] = io.BytesIO(body)
    env["CONTENT_LENGTH"] = str(len(body))


def pass_over(stream: Any) -> None:
    """Read what is left, and forget it."""
    while stream.read(PIECE):
        pass
