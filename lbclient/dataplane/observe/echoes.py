"""Sockets that send echo requests and receive the replies."""

from __future__ import annotations

import errno
import secrets
import selectors
import socket
from collections.abc import Iterator

from ..haproxy import runtime
from . import icmp

TOKEN = 16  # bytes of an echo request that the reply repeats
PACKET = 2048  # bytes; the longest reply that is read
MOST = 50_000  # replies that are read in one batch
FULL = (errno.EAGAIN, errno.ENOBUFS)


class Full(Exception):
    """The system accepts no more packets at the moment; this says nothing about the target."""


class Echoes:
    """One ICMP socket for each IP version that this machine supports."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._sockets: dict[int, socket.socket] = {}
        self._room = 0

    def _opened(self, family: int) -> socket.socket:
        """Return the socket of an IP version, which is opened at its first use. Raises OSError or Full."""
        if family not in self._sockets:
            try:
                opened = icmp.open_socket(family)
            except OSError as error:
                if runtime.is_own_lack(error):
                    raise Full from error
                raise
            try:
                opened.setblocking(False)
                self._selector.register(opened, selectors.EVENT_READ)
            except OSError as error:
                opened.close()
                raise Full from error
            icmp.make_room(opened, self._room)
            self._sockets[family] = opened
        return self._sockets[family]

    def close(self) -> None:
        for each in self._sockets.values():
            self._selector.unregister(each)
            each.close()

    def make_room(self, packets: int) -> None:
        """Enlarge the sockets' buffers for that many packets, as far as the system allows."""
        self._room = packets
        for each in self._sockets.values():
            icmp.make_room(each, packets)

    def send(self, address: str) -> bytes:
        """Send an echo request; return the token that its reply will repeat. Raises OSError or Full."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        opened = self._opened(family)
        token = secrets.token_bytes(TOKEN)
        try:
            opened.sendto(icmp.echo(family, token), (address, 0))
        except OSError as error:
            if error.errno in FULL:
                raise Full from error
            raise
        return token

    def replies(self) -> Iterator[bytes]:
        """Yield the tokens of all replies received so far."""
        for each in self._sockets.values():
            for packet in _packets(each):
                if icmp.is_reply(packet, each):
                    yield packet[-TOKEN:]


def _packets(opened: socket.socket) -> Iterator[bytes]:
    """Yield the waiting packets, at most MOST: a sender could be faster than this loop."""
    for _ in range(MOST):
        try:
            yield opened.recv(PACKET)
        except OSError:  # usually because no packet is waiting
            return
