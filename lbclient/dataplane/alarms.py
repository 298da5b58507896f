"""What HAProxy tells by itself: one datagram for each change of a health check, to a socket beside its own."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import runtime
from .monitors import ALARMS

LOG = logging.getLogger(__name__)
LONGEST = 4096
MOST = 64  # datagrams that are read before anything else is done


class Alarms:
    """A socket for each load balancer that is watched, by a selector whose keys carry what is to be called.

    HAProxy drops what does not fit into a socket's queue, of ten datagrams mostly. With a socket each nothing is lost:
    whatever was dropped would have said what those say that were not, namely who is to be looked at.
    """

    def __init__(self, selector: selectors.BaseSelector, directory: Path, tell: Callable[[str], None]) -> None:
        self._selector = selector
        self._directory = directory
        self._tell = tell
        self._listening: dict[str, socket.socket] = {}

    def watch(self, id_: str) -> None:
        """Has tell(id) called when something is told, also where the directory is another one by now."""
        if id_ in self._listening and (self._directory / id_ / ALARMS).exists():
            return
        self.forget(id_)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._bind(listening, id_)
        except OSError as error:
            LOG.debug("load balancer %s: health is not told of: %s", id_, error)
            listening.close()
            return
        self._listening[id_] = listening
        self._selector.register(listening, selectors.EVENT_READ, partial(self._hear, id_, listening))

    def forget(self, id_: str) -> None:
        listening = self._listening.pop(id_, None)
        if listening is not None:
            self._selector.unregister(listening)
            listening.close()

    def close(self) -> None:
        for id_ in list(self._listening):
            self.forget(id_)

    def _bind(self, listening: socket.socket, id_: str) -> None:
        listening.setblocking(False)
        directory = self._directory / id_
        (directory / ALARMS).unlink(missing_ok=True)  # what a server that was killed has left
        with runtime.reachable(directory, ALARMS) as path:
            listening.bind(path)

    def _hear(self, id_: str, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(MOST):
                listening.recv(LONGEST)
        self._tell(id_)
