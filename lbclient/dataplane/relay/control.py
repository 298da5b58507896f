"""The relay's control socket, a Unix socket for commands of the server."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from functools import partial

from .loop import Loop

SEND_SECONDS = 0.2  # s; a client that does not read its answer delays the traffic no longer than that
LONGEST_QUESTION = 4096
REST_SECONDS = 0.1  # before the next attempt to accept a connection when no descriptor is free


class Control:
    """A control socket that answers one command on each connection, as HAProxy's does."""

    def __init__(self, path: str, loop: Loop, answer: Callable[[str], str]) -> None:
        self._loop = loop
        self._answer = answer
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        os.chmod(path, 0o600)
        self._listening.listen(16)
        self._listening.setblocking(False)
        self._listen()

    def _listen(self) -> None:
        self._loop.watch(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except BlockingIOError:
            return
        except OSError:  # no descriptor is free, and the waiting connection would wake the loop again and again
            self._loop.forget(self._listening.fileno())
            self._loop.after(REST_SECONDS, self._listen)
            return
        connection.settimeout(0)
        self._loop.watch(connection.fileno(), partial(self._hear, connection, bytearray()))

    def _hear(self, connection: socket.socket, heard: bytearray) -> None:
        try:
            data = connection.recv(LONGEST_QUESTION)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        heard += data
        if data and b"\n" not in heard and len(heard) < LONGEST_QUESTION:
            return
        self._loop.forget(connection.fileno())
        with contextlib.suppress(OSError), connection:
            connection.settimeout(SEND_SECONDS)
            connection.sendall(self._answer(heard.decode(errors="replace").strip()).encode())
