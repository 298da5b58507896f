"""Logins that are kept for the next command: a file each, in a folder that nobody else can look into.

A file's name is a digest, keyed with a secret of this folder, of everything that was said about the cloud: another
password, user, project, region or authority of certificates is another login. What was said is in no file.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORM = 1  # of the files; others are not read
MARGIN = 60.0  # seconds that a token has to be good for
ABANDONED = 3600.0  # seconds after which a half-written file is nobody's
SECRET = "secret"
SECRET_LENGTH = 32
SUFFIX = ".json"
ASIDE = ".new"  # of files that are being written


@dataclass(frozen=True)
class CachedToken:
    """What an identity service said to somebody."""

    token: str
    expires: float  # seconds since 1970
    endpoints: Mapping[str, str]  # service type -> address
    state: str  # of the keystoneauth1 plugin: the token with its catalog

    @property
    def is_good(self) -> bool:
        return self.expires - time.time() > MARGIN


@dataclass(frozen=True)
class CacheEntry:
    """The place of one login."""

    path: Path

    def read(self) -> CachedToken | None:
        """The login, if there is one that can be trusted and is good for a while."""
        content = _read_private(self.path)
        cached = _parsed(content) if content else None
        return cached if cached and cached.is_good else None

    def write(self, cached: CachedToken) -> None:
        """Keep a login, and remove those that are over."""
        text = json.dumps({"form": FORM, **asdict(cached)})
        with suppress(OSError):
            _put(self.path, text.encode(), os.replace)
            _clean(self.path.parent)

    def drop(self, token: str) -> None:
        """Forget the login, unless another command has made a new one meanwhile."""
        content = _read_private(self.path)
        cached = _parsed(content) if content else None
        if cached is None or cached.token == token:
            with suppress(OSError):
                self.path.unlink()


def entry(said: Mapping[str, Any], environ: Mapping[str, str]) -> CacheEntry | None:
    """The place of the login with everything that was said about a cloud; nothing where none can be kept safely."""
    folder = _folder(environ)
    secret = _secret(folder) if folder and _is_private_folder(folder) else None
    if folder is None or secret is None:
        return None
    text = repr(sorted((name, repr(value)) for name, value in said.items()))
    digest = hashlib.blake2b(text.encode(), key=secret, digest_size=24)
    return CacheEntry(folder / f"{digest.hexdigest()}{SUFFIX}")


def clear(environ: Mapping[str, str]) -> int:
    """Forget all logins; how many there were."""
    folder = _folder(environ)
    if folder is None:
        return 0
    logins = 0
    for path in _files(folder):
        with suppress(OSError):
            path.unlink()
            logins += path.suffix == SUFFIX
    return logins


def _folder(environ: Mapping[str, str]) -> Path | None:
    """Where logins are kept; nowhere without a home."""
    for variable, below in (("LBCLIENT_CACHE_HOME", ""), ("XDG_CACHE_HOME", ""), ("HOME", ".cache")):
        named = environ.get(variable, "")
        if os.path.isabs(named):
            return Path(named, below, "lbclient", "logins")
    return None


def _is_private_folder(folder: Path) -> bool:
    """Whether the folder is ours alone; it is made where it is missing."""
    try:
        if not folder.exists():
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(state.st_mode) and _is_private(state)


def _is_private(state: os.stat_result) -> bool:
    return state.st_uid == os.geteuid() and not state.st_mode & 0o077


def _secret(folder: Path) -> bytes | None:
    """The folder's secret; of several processes that make it at once, one wins."""
    path = folder / SECRET
    with suppress(OSError):
        if not path.exists():
            _put(path, os.urandom(SECRET_LENGTH), os.link)
    secret = _read_private(path)
    return secret if secret and len(secret) == SECRET_LENGTH else None


def _read_private(path: Path) -> bytes | None:
    """The content of a file that is ours and that nobody else can read or write."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or not _is_private(state):
            return None
        try:
            return file.read()
        except OSError:
            return None


def _parsed(content: bytes) -> CachedToken | None:
    try:
        said = json.loads(content)
        cached = CachedToken(said["token"], said["expires"], said["endpoints"], said["state"])
    except (ValueError, TypeError, KeyError):
        return None
    is_whole = (
        said.get("form") == FORM
        and all(isinstance(text, str) and text for text in (cached.token, cached.state))
        and isinstance(cached.expires, (int, float))
        and isinstance(cached.endpoints, dict)
        and all(isinstance(address, str) for address in cached.endpoints.values())
    )
    return cached if is_whole else None


def _put(path: Path, content: bytes, place: Callable[[str, Path], None]) -> None:
    """Write aside, whole, and then put into place: nobody ever reads a half."""
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=ASIDE)  # with mode 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        with suppress(FileExistsError):
            place(aside, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(aside)


def _clean(folder: Path) -> None:
    for path in _files(folder):
        with suppress(OSError):
            if _is_over(path):
                path.unlink()


def _is_over(path: Path) -> bool:
    if path.suffix == SUFFIX:
        content = _read_private(path)
        cached = _parsed(content) if content else None
        return cached is None or not cached.is_good
    return path.suffix == ASIDE and time.time() - path.stat().st_mtime > ABANDONED


def _files(folder: Path) -> list[Path]:
    """The files that are made here."""
    try:
        return [path for path in folder.iterdir() if path.suffix in (SUFFIX, ASIDE) or path.name == SECRET]
    except OSError:
        return []
