"""Servers with a death of their own choice, one after another: python -m killed_server [the server's options].

Each line of the standard input starts one, whose PID is printed; at its end, "ended" is.

SIGUSR1 arms it with the number in the file that KILL_AT names, which is deleted then. From there on each call of a C
function that changes something, below Instance.apply or Instance.remove, is two steps: before and after it. At the step
with that number the process is killed.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from lbclient.dataplane.haproxy.process import Instance
from lbclient.server import main

SYSTEM = {"replace", "rename", "link", "unlink", "mkdir", "rmdir", "kill", "chown", "chmod", "fork_exec", "open"}
OF_FILES = {"write", "close", "__exit__"}
OF_SOCKETS = {"connect", "sendall", "shutdown", "bind"}
MODULES = ("posix", "_posixsubprocess", "_io")
EVENTS = ("c_call", "c_return", "c_exception")
CODES = (Instance.apply.__code__, Instance.remove.__code__)
THREAD = "reconcile"

remaining = 0


def profile(frame: FrameType, event: str, function: Any) -> None:
    global remaining
    if not threading.current_thread().name.startswith(THREAD):
        sys.setprofile(None)
        return
    if event in EVENTS and remaining and changes(function) and is_below(frame, CODES):
        remaining -= 1
        if not remaining:
            os.kill(os.getpid(), signal.SIGKILL)


def changes(function: Any) -> bool:
    owner = function.__self__
    if isinstance(owner, socket.socket):
        return function.__name__ in OF_SOCKETS
    if isinstance(owner, io.IOBase):
        return function.__name__ in OF_FILES
    return function.__name__ in SYSTEM and getattr(owner, "__name__", "") in MODULES


def is_below(frame: FrameType | None, codes: tuple[CodeType, ...]) -> bool:
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back
    return False


def arm(*_: object) -> None:
    global remaining
    path = Path(os.environ["KILL_AT"])
    remaining = int(path.read_text())
    path.unlink()


def live() -> int:
    signal.signal(signal.SIGUSR1, arm)
    threading.setprofile(profile)
    return main.main()


if __name__ == "__main__":
    for _ in sys.stdin:
        pid = os.fork()  # rather than import everything again
        if not pid:
            sys.exit(live())
        print(f"pid {pid}", flush=True)
        os.waitpid(pid, 0)
        print("ended", flush=True)
