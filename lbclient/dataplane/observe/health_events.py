"""What HAProxy tells by itself: one datagram for each change of a health check, to a socket beside its own."""

from __future__ import annotations

import contextlib
import logging
import re
import selectors
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..config.monitors import HEALTH_EVENTS_SOCKET
from ..haproxy import runtime

LOG = logging.getLogger(__name__)
LONGEST = 4096
QUEUE = Path("/proc/sys/net/unix/max_dgram_qlen")
USUAL_QUEUE = 10
# Mostly the first check of a member that is believed to be up: no status changes. Whatever else is told may change one.
MINOR = re.compile(rb"Health check for (?:backup )?server \S+ succeeded, .* status: \d+/\d+ UP\.\s*$", re.DOTALL)


class HealthEvents:
    """A socket for each load balancer that is watched, by a selector whose keys carry what is to be called.

    HAProxy drops what does not fit into a socket's queue, of ten datagrams mostly. With a socket each nothing is lost:
    those that were not dropped say who is to be looked at.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        directory: Path,
        notify: Callable[[str], None],
        notify_minor: Callable[[str], None],
    ) -> None:
        """tell_small(id) is called instead of tell(id) where no status can have changed."""
        self._selector = selector
        self._directory = directory
        self._notify = notify
        self._notify_minor = notify_minor
        self._queue = _queue()
        self._listening: dict[str, socket.socket] = {}

    def watch(self, id_: str) -> None:
        """Has tell called when something is told, also where the directory is another one by now.

        Raises OSError where this process itself lacks what it takes.
        """
        if id_ in self._listening and (self._directory / id_ / HEALTH_EVENTS_SOCKET).exists():
            return
        self.forget(id_)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._bind(listening, id_)
            self._selector.register(listening, selectors.EVENT_READ, partial(self._hear, id_, listening))
        except OSError as error:
            listening.close()
            if runtime.is_own_lack(error):
                raise
            LOG.debug("load balancer %s: health is not told of: %s", id_, error)
            return
        self._listening[id_] = listening

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
        (directory / HEALTH_EVENTS_SOCKET).unlink(missing_ok=True)  # what a server that was killed has left
        with runtime.reachable(directory, HEALTH_EVENTS_SOCKET) as path:
            listening.bind(path)

    def _hear(self, id_: str, listening: socket.socket) -> None:
        told: list[bytes] = []
        with contextlib.suppress(OSError):
            while len(told) <= 2 * self._queue:  # not for ever
                told.append(listening.recv(LONGEST))
        is_minor = len(told) < self._queue and all(map(MINOR.search, told))
        (self._notify_minor if is_minor else self._notify)(id_)


def _queue() -> int:
    """How many datagrams wait at most: whoever finds fewer has missed none."""
    try:
        return int(QUEUE.read_text())
    except (OSError, ValueError):
        return USUAL_QUEUE
