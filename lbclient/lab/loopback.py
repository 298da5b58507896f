"""The fallback without namespaces: addresses in 127.0.0.0/8, high ports, and a guard process that cleans up.

The guard is a process between the opener and the program. Orphans below it become its children, so that it can end
all of them when the program ends, and when the opener ends, even by SIGKILL.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import random
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .supervise import ENDING, supervise

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PORTS = {"80": "8080", "443": "8443"}
NUMBERS = range(16, 240)  # of the second octet


@dataclass(frozen=True)
class LoopbackNetworks:
    """Two networks in 127.0.0.0/8, and the guide's addresses and ports translated to them."""

    private: str  # the first three octets of the lowest addresses
    public: str

    def translate(self, text: str) -> str:
        if text in PORTS:
            return PORTS[text]
        text = text.replace("10.0.0.", f"{self.private}.")
        text = re.sub(r"(http://[^/: ]+)/", rf"\1:{PORTS['80']}/", text)
        return re.sub(r"(:|port )(80|443)\b", lambda match: match[1] + PORTS[match[2]], text)


@contextlib.contextmanager
def reserved_networks() -> Iterator[LoopbackNetworks]:
    """Reserve two unused networks until the end of the block, or of this process. Raises OSError if none is left.

    The reservation is an abstract socket: each network namespace has its own, like the addresses, and the kernel
    removes it with its process.
    """
    for number in random.sample(NUMBERS, len(NUMBERS)):
        place = LoopbackNetworks(f"127.{number}.0", f"127.{number}.113")
        with socket.socket(socket.AF_UNIX) as reservation:
            try:
                reservation.bind(f"\0lbclient-loopback-{number}")
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            if _is_free(f"{place.private}.4", int(PORTS["80"])):
                yield place
                return
    raise OSError("no addresses of 127.0.0.0/8 are free on port 8080")


def free_port() -> int:
    """Return an unused port of 127.0.0.1."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def run(program: Callable[[Path], int]) -> int:
    """Run a function with a temporary directory; return its exit status once all its processes have ended."""
    opener = os.getpid()
    return supervise(lambda: _guard(program, opener))


def _guard(program: Callable[[Path], int], opener: int) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, *ENDING})
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    directory = Path(tempfile.mkdtemp(prefix="lbclient-"))
    try:
        if os.getppid() != opener:
            return 128 + signal.SIGTERM
        return _wait(_start(program, directory))
    finally:
        _end_children()
        shutil.rmtree(directory, ignore_errors=True)


def _start(program: Callable[[Path], int], directory: Path) -> int:
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, *ENDING})
        status = 1
        try:
            status = program(directory)
        except KeyboardInterrupt:
            status = 128 + signal.SIGINT
        finally:
            sys.stdout.flush()
            os._exit(status)
    return child


def _wait(child: int) -> int:
    """Return the child's exit status, or that of the signal that ends everything."""
    while True:
        number = signal.sigwait({signal.SIGCHLD, *ENDING})
        if number != signal.SIGCHLD:
            return 128 + number
        for pid, status in _dead_children():
            if pid == child:
                return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _dead_children() -> list[tuple[int, int]]:
    dead = []
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            dead.append(found)
    return dead


def _end_children() -> None:
    """Kill all children, and their orphans, which then become children, until there are none."""
    while children := _children():
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _children() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _parent(path) == os.getpid()]


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as trial:
        try:
            trial.bind((address, port))
        except OSError:
            return False
    return True
