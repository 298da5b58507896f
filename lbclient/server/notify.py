"""Notify systemd of the server's state, as a unit of Type=notify: sd_notify(3) without its library."""

from __future__ import annotations

import logging
import os
import socket

LOG = logging.getLogger(__name__)
VARIABLE = "NOTIFY_SOCKET"


def tell(state: str) -> None:
    """Send a state such as READY=1 or STOPPING=1 to systemd; do nothing if the server is not such a unit."""
    address = os.environ.get(VARIABLE)
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # a socket in the abstract namespace
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
            speaker.sendto(state.encode(), address)
    except OSError as error:
        LOG.warning("%s cannot be told %s: %s", VARIABLE, state, error.strerror)
