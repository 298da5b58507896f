"""Concurrent commands to many HAProxy processes in one thread; a process that hangs does not delay the others."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..haproxy import runtime

Done = Callable[[str | None], None]  # called with the answer; with None if there is none


@dataclass
class _Asked:
    """A command that waits for its answer."""

    done: Done
    deadline: float
    parts: list[bytes] = field(default_factory=list)


class Poll:
    """Commands to sockets, whose answers a selector waits for; each key's data is the function to call."""

    def __init__(self, selector: selectors.BaseSelector, patience: float) -> None:
        self._selector = selector
        self._patience = patience
        self._asked: dict[socket.socket, _Asked] = {}

    def ask(self, directory: Path, name: str, command: str, done: Done) -> None:
        """Send a command; done(answer) is called exactly once, immediately with None if no process listens.

        Raises OSError if this process lacks descriptors or memory; done is not called in this case.
        """
        connection = _asked(directory, name, command)
        if connection is None:
            done(None)
            return
        try:
            self._selector.register(connection, selectors.EVENT_READ, partial(self._hear, connection))
        except OSError:
            connection.close()
            raise
        self._asked[connection] = _Asked(done, time.monotonic() + self._patience)

    def deadline(self) -> float | None:
        """Return the earliest deadline of a command; None if there is none."""
        return min((each.deadline for each in self._asked.values()), default=None)

    def give_up(self, now: float) -> None:
        """End the commands whose deadline has passed, without an answer."""
        for connection, asked in list(self._asked.items()):
            if asked.deadline <= now:
                self._end(connection, None)

    def close(self) -> None:
        for connection in self._asked:
            self._selector.unregister(connection)
            connection.close()
        self._asked.clear()

    def _hear(self, connection: socket.socket) -> None:
        for chunk in _chunks(connection):
            if chunk:
                self._asked[connection].parts.append(chunk)
            else:
                whole = b"".join(self._asked[connection].parts).decode(errors="replace")
                self._end(connection, None if chunk is None else whole)

    def _end(self, connection: socket.socket, answer: str | None) -> None:
        asked = self._asked.pop(connection)
        self._selector.unregister(connection)
        connection.close()
        asked.done(answer)


def _asked(directory: Path, name: str, command: str) -> socket.socket | None:
    """Return a connection on which the command has been sent; None if no process listens. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    try:
        with runtime.reachable(directory, name) as path:
            connection.connect(path)
        connection.sendall(command.encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)
    except OSError as error:
        connection.close()
        if runtime.is_own_lack(error):
            raise
        return None
    return connection


def _chunks(connection: socket.socket) -> Iterator[bytes | None]:
    """Yield the data received so far: b"" at the end of the answer, None if the connection broke."""
    while True:
        try:
            chunk = connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            yield None
            return
        yield chunk
        if not chunk:
            return
