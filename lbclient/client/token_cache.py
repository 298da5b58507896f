"""Token cache: keeps a login for the next command, in a file of its own in a private folder.

The name of the file is a digest of all settings of the cloud, keyed with a secret of the folder: a different password,
user, project, region or CA certificate means a different file. The settings themselves are not stored.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .cache_folder import cache_folder

try:
    from _blake2 import blake2b  # what hashlib offers, which loads OpenSSL first
except ImportError:
    from hashlib import blake2b

FORM = 1  # version of the file format; files of other versions are ignored
MARGIN = 60.0  # seconds that a cached token still has to be valid for
OUTLIVED = 86400.0  # seconds after which what is known of a login is deleted
ABANDONED = 3600.0  # seconds after which a temporary file is considered abandoned
SECRET = "secret"
SECRET_LENGTH = 32
SUFFIX = ".json"
KNOWN = ".known"  # suffix of files with what is known of a login


@dataclass(frozen=True)
class CachedToken:
    """A token with its expiry and endpoints, as issued by an identity service."""

    token: str
    expires: float  # seconds since 1970
    endpoints: Mapping[str, str]  # service type -> address
    state: str  # state of the keystoneauth1 plugin: the token with its catalog

    @property
    def is_good(self) -> bool:
        return self.expires - time.time() > MARGIN


@dataclass(frozen=True)
class CacheEntry:
    """The file of one cached login."""

    path: Path

    def read(self) -> CachedToken | None:
        """Return the cached login; None if the file is missing, invalid or not private, or the token expires soon."""
        content = _read_private(self.path)
        cached = _parsed(content) if content else None
        return cached if cached and cached.is_good else None

    def write(self, cached: CachedToken) -> None:
        """Store a login and delete expired ones. Errors of the file system are ignored."""
        text = json.dumps({"form": FORM, **asdict(cached)})
        with suppress(OSError):
            _put(self.path, text.encode())
            _clean(self.path.parent)

    def drop(self, token: str) -> None:
        """Delete the login, unless another command has stored a different token in the meantime."""
        content = _read_private(self.path)
        cached = _parsed(content) if content else None
        if cached is None or cached.token == token:
            with suppress(OSError):
                self.path.unlink()


@dataclass(frozen=True)
class Beside:
    """A private file beside the cached logins, with what a command knows of one of them."""

    path: Path

    def read(self) -> bytes | None:
        return _read_private(self.path)

    def write(self, content: bytes) -> None:
        """Store the content. Errors of the file system are ignored."""
        with suppress(OSError):
            _put(self.path, content)

    def login(self, name: str) -> CacheEntry:
        """Return the entry of the login whose file has this name. Raises ValueError."""
        if os.path.basename(name) != name or not name.endswith(SUFFIX):
            raise ValueError(name)
        return CacheEntry(self.path.parent / name)


def beside(sources: Sequence[object], environ: Mapping[str, str]) -> Beside | None:
    """Return the file for what follows from these sources; None if no login is cached, or none can be safely."""
    folder = _folder(environ)
    path = _keyed(repr(sources), environ) if folder and folder.is_dir() else None
    return Beside(path.with_suffix(KNOWN)) if path else None


def entry(said: Mapping[str, Any], environ: Mapping[str, str]) -> CacheEntry | None:
    """Return the cache entry for the settings of a cloud (`said`); None if no login can be stored safely."""
    path = _keyed(repr(sorted((name, repr(value)) for name, value in said.items())), environ)
    return CacheEntry(path) if path else None


def _keyed(text: str, environ: Mapping[str, str]) -> Path | None:
    """Return the path of the file whose name is the keyed digest of a text; None if the folder is not private."""
    folder = _folder(environ)
    secret = _secret(folder) if folder and _is_private_folder(folder) else None
    if folder is None or secret is None:
        return None
    digest = blake2b(text.encode(errors="surrogateescape"), key=secret, digest_size=24)
    return folder / f"{digest.hexdigest()}{SUFFIX}"


def clear(environ: Mapping[str, str]) -> int:
    """Delete all cached logins and return their number."""
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
    """Return the folder of cached logins; None if no variable gives an absolute path."""
    found = cache_folder("logins", environ)
    return Path(found) if found else None


def _is_private_folder(folder: Path) -> bool:
    """Whether only this user has access to the folder, which is created if it is missing."""
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
    """Return the secret of the folder, creating it if it is missing. If several processes create it, one wins."""
    path = folder / SECRET
    with suppress(OSError):
        if not path.exists():
            from .. import files  # imported late, as in _put()

            files.create(path, os.urandom(SECRET_LENGTH))
    secret = _read_private(path)
    return secret if secret and len(secret) == SECRET_LENGTH else None


def _read_private(path: Path) -> bytes | None:
    """Return the content of a file; None if other users have access to it or it cannot be read."""
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


def _put(path: Path, content: bytes) -> None:
    from .. import files  # imported late: only a new login is written

    files.replace(path, content, is_durable=False)


def _is_aside(path: Path) -> bool:
    from ..files import ASIDE

    return path.suffix == ASIDE


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
    if path.suffix == KNOWN:
        return time.time() - path.stat().st_mtime > OUTLIVED
    return _is_aside(path) and time.time() - path.stat().st_mtime > ABANDONED


def _files(folder: Path) -> list[Path]:
    """List the files that this module creates."""
    try:
        return [
            path
            for path in folder.iterdir()
            if path.suffix in (SUFFIX, KNOWN) or path.name == SECRET or _is_aside(path)
        ]
    except OSError:
        return []
