"""Which server uses a state directory, and where it listens: for those that wait for it, ask after it or stop it."""

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
POLL = 0.02  # seconds between two looks
ANSWER_SECONDS = 2.0  # that a server has to answer when it is asked whether it is ready


@dataclass(frozen=True)
class Running:
    """A server that holds its state directory."""

    pid: int
    url: str
    clouds_file: str


@contextmanager
def announced(directory: Path, url: str, clouds_file: Path) -> Iterator[None]:
    """Tell where the server listens, until the end."""
    path = directory / FILE
    files.replace(path, json.dumps(asdict(Running(os.getpid(), url, str(clouds_file)))))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(directory: Path) -> Running | None:
    """The server that uses a state directory; None where there is none, or it is not ready yet."""
    if not _is_held(directory):
        return None  # what an earlier server announced does not count
    try:
        return Running(**json.loads((directory / FILE).read_text()))
    except (FileNotFoundError, ValueError):
        return None


def is_ready(url: str) -> bool:
    """Whether a server answers there."""
    # Nothing between us: a proxy of the environment would be asked for this machine's own addresses.
    # Its certificate may be for another name; nothing secret is sent.
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
    """The server of a state directory when it answers; None where it does not in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = find(directory)
        if found and is_ready(found.url):
            return found
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL)


def stop(directory: Path, seconds: float) -> bool | None:
    """End the server of a state directory: True when it has ended, False when it has not in time, None without one."""
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
    """Whether a server uses the directory: the lock goes with its process, however that ends."""
    try:
        with open(directory / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
