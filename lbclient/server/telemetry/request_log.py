"""The log of the API's requests: who asked for what, from where, and what the answer was.

Query strings, headers and bodies are not logged, because they may hold secrets.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

LOG = logging.getLogger(__name__)
LONGEST = 500  # characters of a path
LONGEST_NAME = 64  # characters of the name in a failed login
COMPLAIN = 60.0  # seconds between two warnings that the log cannot be written
PLAIN = re.compile(r"[A-Za-z0-9@._-]+")
SAFE = "/:@!$&'()*+,;=-._~"  # characters of a path that stay as they are


@dataclass(frozen=True)
class Line:
    """One request with its answer."""

    source: str  # the client's address
    user_id: str
    user_name: str
    project_id: str | None
    method: str
    path: str
    status: int
    milliseconds: float
    request_id: str
    global_request_id: str | None = None  # the ID that the client has given the request
    login: str | None = None  # the user that a refused login names


class RequestLog:
    """A log without a file: only failed logins are logged, with the server's other messages."""

    def write(self, line: Line) -> None:
        if line.login is not None:
            LOG.warning("login of %s from %s was refused (%s)", _quoted(line.login), line.source, line.request_id)


class RequestFile(RequestLog):
    """A log in a file, which is opened again when it was renamed or removed, as by logrotate."""

    def __init__(self, path: Path, log_format: str) -> None:
        """Open the file. Raises OSError."""
        self._handler = _Handler(path, encoding="utf-8")
        self._handler.setFormatter(_Json() if log_format == "json" else _Text())

    def write(self, line: Line) -> None:
        super().write(line)
        record = logging.LogRecord("lbclient.requests", logging.INFO, "", 0, "", (), None)
        record.line = line
        self._handler.handle(record)

    def close(self) -> None:
        with suppress(OSError):  # what could not be written has been reported
            self._handler.close()


class _Handler(logging.handlers.WatchedFileHandler):
    """Requests are answered even if the log cannot be written."""

    _complained_at = -COMPLAIN

    def handleError(self, record: logging.LogRecord) -> None:
        if time.monotonic() - self._complained_at >= COMPLAIN:
            self._complained_at = time.monotonic()
            LOG.warning("the request log %s cannot be written", self.baseFilename, exc_info=True)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: Line = record.line  # type: ignore[attr-defined]
        values = {"time": _time(record), **asdict(line), "path": _path(line.path)}
        return json.dumps({name: value for name, value in values.items() if value not in (None, "")})


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: Line = record.line  # type: ignore[attr-defined]
        who = f"{_quoted(line.user_name or line.user_id or '-')} {line.project_id or '-'}"
        if line.login is not None:
            who = f"login={_quoted(line.login)} -"
        asked = f"{line.method} {_path(line.path)} {line.status} {line.milliseconds:.1f}ms"
        return f"{_time(record)} {line.source} {who} {asked} {line.request_id}"


def login_of(body: Any) -> str:
    """Return the user that the body of a login names, cut to a short text; a hyphen if it names none."""
    try:
        found = _user(body["auth"]["identity"])
    except (KeyError, TypeError, AttributeError):
        found = None
    return str(found or "-")[:LONGEST_NAME]


def _user(identity: Any) -> Any:
    """Return the name or ID of a user or an application credential in a login."""
    for method in ("password", "application_credential"):
        given = identity.get(method)
        if isinstance(given, dict):
            user = given.get("user", given)
            return user.get("name") or user.get("id")
    return None


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")


def _path(path: str) -> str:
    """Return a path whose unusual characters are percent-encoded, so that it is one word."""
    return quote(path.encode("latin-1", errors="replace"), safe=SAFE)[:LONGEST]


def _quoted(text: str) -> str:
    """Return a text as one word if it is one, else in quotation marks with everything unusual escaped."""
    return text if PLAIN.fullmatch(text) else json.dumps(text)
