"""Find, await and stop the server that uses a state directory, through the file in which it announces its URL."""

from __future__ import annotations

import json
import os
import signal
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import files
from . import state

FILE = "server.json"
POLL = 0.02  # seconds between two polls
ANSWER_SECONDS = 2.0  # timeout of the request that checks whether a server is ready


class OutOfReach(Exception):
    """The server cannot be stopped from here; the message says why."""


@dataclass(frozen=True)
class Running:
    """A server that holds its state directory."""

    pid: int
    started: int  # as state.start_of returns it: process IDs are used again
    url: str
    clouds_file: str


@contextmanager
def announced(directory: Path, url: str, clouds_file: Path) -> Iterator[None]:
    """Announce the server's URL in the state directory until the end of the block."""
    path = directory / FILE
    running = Running(os.getpid(), state.start_of(os.getpid()), url, str(clouds_file))
    files.replace(path, json.dumps(asdict(running)))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(directory: Path) -> Running | None:
    """Return the server that uses a state directory; None if there is none, or it has not announced itself yet."""
    holder = state.holder(directory)
    if holder is None:
        return None
    try:
        found = Running(**json.loads((directory / FILE).read_text()))
    except (OSError, TypeError, ValueError):
        return None
    # The file may be left over from an earlier server.
    return found if f"{found.pid} {found.started}" == holder else None


def is_ready(url: str) -> bool:
    """Whether a server answers at a URL."""
    # Ignore the proxies of the environment: they would resolve this machine's addresses as their own.
    # Do not verify the certificate: it may be for another name, and nothing secret is sent.
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=anyone))
    try:
        with opener.open(f"{url}/load-balancer/v2.0", timeout=ANSWER_SECONDS):
            return True
    except urllib.error.HTTPError as answer:
        return answer.code < 500
    except OSError:
        return False


def wait(directory: Path, seconds: float) -> Running | None:
    """Wait until the server of a state directory answers and return it; None after a timeout in seconds."""
    deadline = time.monotonic() + seconds
    while True:
        found = find(directory)
        if found and is_ready(found.url):
            return found
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL)


def stop(directory: Path, seconds: float) -> bool | None:
    """Stop the server of a state directory: True once it has ended, False after the timeout, None if none runs.

    A server that is still starting is stopped when it is ready. Raises OutOfReach.
    """
    deadline = time.monotonic() + seconds
    told = None  # who has got the signal: another server may start as soon as that one has ended
    while (holder := state.holder(directory)) is not None and told in (None, holder):
        found = find(directory) if told is None else None
        if found:
            _terminate(found, directory)
            told = holder
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)
    return True if told else None


def _terminate(found: Running, directory: Path) -> None:
    """Send SIGTERM to a server, and to no process that has its ID by now. Raises OutOfReach."""
    try:
        descriptor = os.pidfd_open(found.pid)
        try:
            if state.start_of(found.pid) == found.started:  # the descriptor keeps meaning this process
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                return
        finally:
            os.close(descriptor)
    except ProcessLookupError:
        pass
    except OSError as error:
        raise OutOfReach(f"Process {found.pid} cannot be stopped: {error.strerror}.") from None
    if find(directory) == found:
        raise OutOfReach(f"Process {found.pid} cannot be seen from here: it may run in a container.")
