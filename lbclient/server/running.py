"""Find, await and stop the server that uses a state directory, through the file in which it announces its URL."""

from __future__ import annotations

import fcntl
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

from ..store import files

FILE = "server.json"
POLL = 0.02  # seconds between two polls
ANSWER_SECONDS = 2.0  # timeout of the request that checks whether a server is ready


@dataclass(frozen=True)
class Running:
    """A server that holds its state directory."""

    pid: int
    url: str
    clouds_file: str


@contextmanager
def announced(directory: Path, url: str, clouds_file: Path) -> Iterator[None]:
    """Announce the server's URL in the state directory until the end of the block."""
    path = directory / FILE
    files.replace(path, json.dumps(asdict(Running(os.getpid(), url, str(clouds_file)))))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(directory: Path) -> Running | None:
    """Return the server that uses a state directory; None if there is none, or it has not announced itself yet."""
    if not _is_held(directory):
        return None  # the file may be left over from an earlier server
    try:
        return Running(**json.loads((directory / FILE).read_text()))
    except (FileNotFoundError, ValueError):
        return None


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
    """Stop the server of a state directory: True once it has ended, False after the timeout, None if none runs."""
    found = find(directory)
    if found is None:
        return None
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while _is_held(directory):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)
    return True


def _is_held(directory: Path) -> bool:
    """Whether a server uses the directory; its lock is released when its process ends, for whatever reason."""
    try:
        with open(directory / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
