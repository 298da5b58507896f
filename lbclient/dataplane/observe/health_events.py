"""Health events: HAProxy logs each change of a health check as a datagram to a socket in its directory."""

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
from ..haproxy import runtime, unprivileged

LOG = logging.getLogger(__name__)
LONGEST = 4096
QUEUE = Path("/proc/sys/net/unix/max_dgram_qlen")
USUAL_QUEUE = 10
# Usually the first check of a member that is considered up: no status changes. All other messages may change one.
MINOR = re.compile(rb"Health check for (?:backup )?server \S+ succeeded, .* status: \d+/\d+ UP\.\s*$", re.DOTALL)


class HealthEvents:
    """A socket for each watched load balancer, registered with a selector; each key's data is the function to call.

    HAProxy drops datagrams that do not fit into a socket's queue, usually of ten. With a socket for each load balancer
    this does no harm: the remaining datagrams show that it has to be polled.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        directory: Path,
        notify: Callable[[str], None],
        notify_minor: Callable[[str], None],
    ) -> None:
        """Create the watcher; notify_minor(id) is called instead of notify(id) if no status can have changed."""
        self._selector = selector
        self._directory = directory
        self._notify = notify
        self._notify_minor = notify_minor
        self._queue = _queue()
        self._listening: dict[str, socket.socket] = {}

    def watch(self, id_: str) -> None:
        """Listen for health events of a load balancer; bind the socket again if its directory was replaced.

        Raises OSError if this process lacks descriptors or memory.
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
        (directory / HEALTH_EVENTS_SOCKET).unlink(missing_ok=True)  # left behind by a server that was killed
        with runtime.reachable(directory, HEALTH_EVENTS_SOCKET) as path:
            listening.bind(path)
        unprivileged.share(directory / HEALTH_EVENTS_SOCKET, directory)

    def _hear(self, id_: str, listening: socket.socket) -> None:
        told: list[bytes] = []
        with contextlib.suppress(OSError):
            while len(told) <= 2 * self._queue:  # bounded, however fast HAProxy sends
                told.append(listening.recv(LONGEST))
        is_minor = len(told) < self._queue and all(map(MINOR.search, told))
        (self._notify_minor if is_minor else self._notify)(id_)


def _queue() -> int:
    """Return the length of a socket's queue in datagrams: if fewer are waiting, none was dropped."""
    try:
        return int(QUEUE.read_text())
    except (OSError, ValueError):
        return USUAL_QUEUE
