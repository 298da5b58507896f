"""Capabilities that HAProxy and relays do not inherit from a server that is not root.

A unit gives them to the server as ambient capabilities, which every program that it starts would have as well. A thread
has an ambient set of its own: what it gives up there it can still use itself, but programs that it starts cannot.
"""

from __future__ import annotations

import ctypes

PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER = 47, 3
NET_ADMIN, NET_RAW = 12, 13

_libc = ctypes.CDLL(None, use_errno=True)


def withhold() -> None:
    """Keep programs that this thread starts from changing addresses and from sending raw packets."""
    for number in (NET_ADMIN, NET_RAW):
        _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, number, 0, 0)  # fails only for unknown numbers
