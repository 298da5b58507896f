"""Tells systemd how the server does, where it is a unit of Type=notify: sd_notify(3) without its library."""

from __future__ import annotations

import logging
import os
import socket

LOG = logging.getLogger(__name__)
VARIABLE = "NOTIFY_SOCKET"


def tell(state: str) -> None:
    """Send a state such as READY=1 or STOPPING=1; nothing where nobody listens for it."""
    address = os.environ.get(VARIABLE)
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # a socket of the abstract namespace
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
            speaker.sendto(state.encode(), address)
    except OSError as error:
        LOG.warning("%s cannot be told %s: %s", VARIABLE, state, error.strerror)
