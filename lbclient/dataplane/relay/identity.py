"""Become an ordinary user that may still listen on ports below 1024."""

from __future__ import annotations

import os
import struct

PR_SET_KEEPCAPS = 8
NET_BIND_SERVICE = 1 << 10
VERSION_3 = 0x20080522  # of the kernel's structures of capabilities
HEADER = struct.Struct("Ii")
SETS = struct.Struct("IIIIII")  # effective, permitted, inheritable: the lower 32, then those of the upper 32


def become(uid: int, gid: int) -> None:
    """Change this process from root to that user, for good. Raises OSError."""
    import ctypes  # slow to import, and not needed where the user stays

    libc = ctypes.CDLL(None, use_errno=True)

    def check(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    check(libc.capset(HEADER.pack(VERSION_3, 0), SETS.pack(NET_BIND_SERVICE, NET_BIND_SERVICE, 0, 0, 0, 0)))
