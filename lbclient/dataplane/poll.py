"""Asking many HAProxy processes at once, in one thread: one that hangs holds up no other."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from . import runtime


def ask_all(directories: Mapping[str, Path], name: str, command: str, patience: float) -> dict[str, str]:
    """The answers, by id, of those that answered in time."""
    parts: dict[str, list[bytes]] = {}
    answers: dict[str, str] = {}
    deadline = time.monotonic() + patience
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as sockets:
        for id_, directory in directories.items():
            connection = _asked(directory, name, command)
            if connection is not None:
                sockets.enter_context(connection)
                selector.register(connection, selectors.EVENT_READ, id_)
                parts[id_] = []
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                chunk = _received(key.fileobj)
                if chunk:
                    parts[key.data].append(chunk)
                else:
                    selector.unregister(key.fileobj)
                    if chunk is not None:
                        answers[key.data] = b"".join(parts[key.data]).decode(errors="replace")
    return answers


def _asked(directory: Path, name: str, command: str) -> socket.socket | None:
    """A connection on which the question has been put; None where nobody listens."""
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    try:
        with runtime.reachable(directory, name) as path:
            connection.connect(path)
        connection.sendall(command.encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        connection.close()
        return None
    return connection


def _received(connection: object) -> bytes | None:
    """What came; nothing at the end; None if the connection broke."""
    assert isinstance(connection, socket.socket)
    try:
        return connection.recv(65536)
    except OSError:
        return None
