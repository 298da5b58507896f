"""Explanations of database errors: the connection, the disk or the lock has failed, not the statement itself."""

from __future__ import annotations

import os
import sqlite3

import sqlalchemy as sa

UNREACHABLE = "The database cannot be reached; try again."
BUSY = "The database is busy; try again."
FULL = "The disk of the database is full."

# Error names, followed by words of the message for Python 3.10, whose errors have no name.
SQLITE = (
    (("SQLITE_BUSY", "SQLITE_LOCKED", "locked"), BUSY),
    (("SQLITE_FULL", "is full"), FULL),
    (("SQLITE_IOERR", "disk I/O error"), "The database cannot be read or written: its disk fails."),
    (("SQLITE_CANTOPEN", "unable to open"), "The database file cannot be opened."),
    (("SQLITE_READONLY", "readonly"), "The database file cannot be written."),
    (("SQLITE_CORRUPT", "SQLITE_NOTADB", "malformed", "not a database"), "The database file is damaged."),
)
# Prefixes of SQLSTATEs.
POSTGRESQL = (
    (("53100",), FULL),
    (("08", "57P", "53300"), UNREACHABLE),
    (("40", "53", "55P03", "57014"), BUSY),
)


def explanation(error: BaseException) -> str | None:
    """Explain to the client what is wrong with the database; None if the error has another cause."""
    if isinstance(error, sa.exc.TimeoutError):
        return BUSY  # no pooled connection, or the write lock, became free in time
    if isinstance(error, sa.exc.PendingRollbackError):
        return UNREACHABLE  # the connection was lost during the transaction
    if not isinstance(error, sa.exc.DBAPIError):
        return None
    if error.connection_invalidated:
        return UNREACHABLE
    return _of_driver(error.orig) if isinstance(error, sa.exc.DatabaseError | sa.exc.InterfaceError) else None


def _of_driver(cause: BaseException | None) -> str | None:
    if isinstance(cause, OSError):
        return f"The database cannot be written: {os.strerror(cause.errno or 0)}."
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", None) or str(cause)
        return next((told for words, told in SQLITE if any(word in name for word in words)), None)
    state = getattr(cause, "sqlstate", None)
    if state is None:
        return UNREACHABLE  # the server has sent no answer
    return next((told for words, told in POSTGRESQL if state.startswith(words)), None)
