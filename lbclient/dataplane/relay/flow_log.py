"""The traffic log of UDP flows: a line for each, sent to the socket that also receives HAProxy's lines."""

from __future__ import annotations

import json
import socket
from collections import deque
from typing import Any

from .interface import TRAFFIC_SOCKET
from .loop import Loop

KEPT = 1024 * 1024  # bytes, while the server is not running; the oldest lines are dropped first
AGAIN = 1.0  # seconds until the next attempt to connect


class FlowLog:
    """Sends lines without ever blocking the relay."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._sent = 0  # bytes of the first line
        self._socket: socket.socket | None = None
        self._is_due = False

    def write(self, listener_id: str, values: dict[str, Any]) -> None:
        """Send a line: the length, the listener's ID, by which the server files it, and JSON."""
        text = f"{listener_id} {json.dumps(values, separators=(',', ':'))}".encode()
        self._waiting.append(b"%d %b" % (len(text), text))
        self._size += len(self._waiting[-1])
        while self._size > KEPT and len(self._waiting) > 1:
            self._drop()
        if not self._is_due:
            self._send()

    def _drop(self) -> None:
        """Drop the oldest line of which nothing has been sent."""
        if self._sent:
            first = self._waiting.popleft()
            self._size -= len(self._waiting.popleft())
            self._waiting.appendleft(first)
        else:
            self._size -= len(self._waiting.popleft())

    def _send(self) -> None:
        try:
            entrance = self._socket or self._connect()
            while self._waiting:
                self._sent += entrance.send(self._waiting[0][self._sent :])
                if self._sent == len(self._waiting[0]):
                    self._size -= self._sent
                    self._waiting.popleft()
                    self._sent = 0
        except BlockingIOError:
            self._later(0.02)  # the server reads soon
        except OSError:
            self._close()
            self._later(AGAIN)

    def _connect(self) -> socket.socket:
        """Connect to the server. Raises OSError."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            made.connect(TRAFFIC_SOCKET)
        except OSError:
            made.close()
            raise
        self._socket = made
        return made

    def _close(self) -> None:
        """Close a connection that is broken: a line that was sent in part is sent again."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._sent = 0

    def _later(self, seconds: float) -> None:
        self._is_due = True
        self._loop.after(seconds, self._again)

    def _again(self) -> None:
        self._is_due = False
        if self._waiting:
            self._send()
