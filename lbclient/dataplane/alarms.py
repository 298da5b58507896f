"""What HAProxy tells by itself: one datagram for each change of a health check, to one socket of the server's."""

from __future__ import annotations

import contextlib
import re
import socket
from pathlib import Path

from . import runtime
from .monitors import ALARMS

SUBJECT = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LONGEST = 4096
QUEUE = Path("/proc/sys/net/unix/max_dgram_qlen")
USUAL_QUEUE = 10


class Alarms:
    """The socket, and which pools the datagrams tell of. HAProxy drops what does not fit into its queue."""

    def __init__(self, directory: Path) -> None:
        self._queue = _queue()
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listening.setblocking(False)
        with contextlib.suppress(FileNotFoundError):
            (directory / ALARMS).unlink()
        with runtime.reachable(directory, ALARMS) as path:
            self._listening.bind(path)

    def fileno(self) -> int:
        return self._listening.fileno()

    def hear(self) -> tuple[set[str], bool]:
        """The pools that are told of since the last time, and whether any others may have been dropped."""
        pools: set[str] = set()
        count = 0
        while True:
            try:
                told = self._listening.recv(LONGEST)
            except OSError:
                return pools, count >= self._queue
            count += 1
            found = SUBJECT.search(told)  # the backend comes first, and is named by its pool
            if found:
                pools.add(found[0].decode())

    def close(self) -> None:
        self._listening.close()


def _queue() -> int:
    """How many datagrams wait at most: whoever finds fewer has missed none."""
    try:
        return int(QUEUE.read_text())
    except (OSError, ValueError):
        return USUAL_QUEUE
