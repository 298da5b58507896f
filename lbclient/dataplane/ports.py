"""Trial binds that show whether addresses and ports are free, before HAProxy or the relay is asked to bind them."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable

WHY = {
    errno.EADDRINUSE: "the port is in use by another program",
    errno.EACCES: "permission denied: ports below 1024 need privileges here",
    errno.EADDRNOTAVAIL: "the address is not one of this machine",
}


def refusal(binds: Iterable[tuple[str, int]], is_datagram: bool = False) -> str | None:
    """Return why the first address and port that cannot be bound is unavailable; None if all can be bound.

    HAProxy would notice as well, but only after it has asked its old worker to stop listening.
    """
    for address, port in binds:
        error = _try(address, port, is_datagram)
        if error:
            return sentence(address, port, error)
    return None


def sentence(address: str, port: int, error: OSError) -> str:
    """Return the error text for an address and port that cannot be bound."""
    why = WHY.get(error.errno or 0) or os.strerror(error.errno or 0)
    return f"Cannot listen on {address} port {port}: {why}."


def _try(address: str, port: int, is_datagram: bool) -> OSError | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM if is_datagram else socket.SOCK_STREAM) as trial:
            if not is_datagram:  # with it, two programs could bind the same UDP port
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            trial.bind((address, port))
    except OSError as error:
        return error
    return None
