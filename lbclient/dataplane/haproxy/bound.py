"""The addresses and ports that a running HAProxy listens on, read from the sockets that it passes to a successor."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from ..config.render import ADMIN_SOCKET
from . import runtime

COMMAND = b"_getsocks\n"
COUNT = struct.Struct("=i")
BATCH = 253  # the most descriptors that the kernel passes in one message
LONGEST = 1 << 16  # bytes of data in a message, which name the sockets
INET = (socket.AF_INET, socket.AF_INET6)

Bind = tuple[str, int]


def listened_on(directory: Path) -> set[Bind]:
    """Return the addresses and ports of the worker's TCP sockets. Raises Unreachable."""
    try:
        with runtime.connected(directory, ADMIN_SOCKET, runtime.PATIENCE) as connection:
            connection.sendall(COMMAND)
            [count] = COUNT.unpack(connection.recv(COUNT.size, socket.MSG_WAITALL))
            return _received(connection, count)
    except (OSError, struct.error) as cause:
        if isinstance(cause, OSError) and runtime.is_own_lack(cause):
            raise
        raise runtime.Unreachable(f"{ADMIN_SOCKET}: {cause}") from cause


def _received(connection: socket.socket, count: int) -> set[Bind]:
    found: set[Bind] = set()
    received = 0
    while received < count:
        data, descriptors, _, _ = socket.recv_fds(connection, LONGEST, BATCH)
        if not data:
            raise OSError("the connection broke")
        try:
            found.update(_names(descriptors))
        finally:
            for each in descriptors:
                os.close(each)
        received += len(descriptors)
        connection.sendall(COUNT.pack(received))  # HAProxy sends more after this acknowledgement
    return found


def _names(descriptors: list[int]) -> set[Bind]:
    names = [_name(each) for each in descriptors]
    return {name for name in names if name is not None}


def _name(descriptor: int) -> Bind | None:
    """Return the address and port that a TCP socket is bound to; None for any other kind of socket."""
    with socket.socket(fileno=os.dup(descriptor)) as listening:
        is_tcp = listening.family in INET and listening.type == socket.SOCK_STREAM
        return listening.getsockname()[:2] if is_tcp else None
