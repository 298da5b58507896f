"""The server's log: as text for people, or with one JSON object per line for programs."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import datetime, timezone

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
BRIEF = "%(name)s: %(message)s"
PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))  # of syslog


class Json(logging.Formatter):
    """Formats a log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Journal(logging.Formatter):
    """Formats a log record for systemd's journal, which adds the time: each line begins with its priority."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next(priority for level, priority in PRIORITIES if record.levelno >= level)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def _is_journal() -> bool:
    """Whether standard error is a stream of systemd's journal, as JOURNAL_STREAM says: its device and inode."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def configure(log_format: str, is_debug: bool) -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler()
    text = Journal(BRIEF) if _is_journal() else logging.Formatter(TEXT)
    handler.setFormatter(Json() if log_format == "json" else text)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("lbclient").setLevel(logging.DEBUG if is_debug else logging.INFO)
