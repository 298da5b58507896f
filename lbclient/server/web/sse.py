"""Server-sent events, as browsers' EventSource reads them."""

from __future__ import annotations

import re
from typing import Any

import orjson

from ..errors import BadRequest
from .operation import FOLLOW
from .routing import Request

MEDIA_TYPE = "text/event-stream"
HEADERS = {
    "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx must not hold back parts of the answer
}
HEARTBEAT = b": \n\n"
_NUMBER = re.compile(r"[0-9]{1,19}")


def message(values: Any, id_: int | None = None) -> bytes:
    """Return a message with JSON data, which has no line break in it."""
    begin = b"" if id_ is None else b"id: %d\n" % id_
    return begin + b"data: " + orjson.dumps(values) + b"\n\n"


def is_followed(request: Request) -> bool:
    """Whether a list is to be followed instead of answered once: ?follow, unless its value is false."""
    return dict(request.query).get(FOLLOW, "false").lower() not in ("false", "0", "no")


def without_follow(request: Request) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in request.query if name != FOLLOW)


def last_event_id(request: Request) -> int | None:
    """Return the ID of the last message that the client has received. Raises BadRequest if it is not a number."""
    sent = request.http.get_header("Last-Event-ID")
    if not sent:
        return None
    if not _NUMBER.fullmatch(sent):
        raise BadRequest(f"Last-Event-ID: {sent[:40]!r} is not allowed: messages of this stream have numbers as IDs.")
    return int(sent)
