"""Wait for changes of addresses and interfaces, which the kernel reports through a file descriptor."""

from __future__ import annotations

import contextlib
import socket

GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
LONGEST = 1 << 16


class NetlinkEvents:
    """A socket that is readable when an address or an interface of this machine has changed."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._socket.bind((0, GROUPS))

    def fileno(self) -> int:
        return self._socket.fileno()

    def drain(self) -> None:
        """Drop the received reports; an overflow counts as a change like any other."""
        while True:
            try:
                self._socket.recv(LONGEST)
            except BlockingIOError:
                return
            except OSError:
                continue  # ENOBUFS: some were lost

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()
