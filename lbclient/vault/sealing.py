"""Encryption of payloads: stored encrypted in the database and decrypted with the keys of the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import InvalidToken, MultiFernet

from . import certificates, keys
from .keys import KeyRing
from .material import Material

DIRECTORY = "key-manager-keys"  # below the state directory
REMEMBERED = 256  # parsed certificates that are cached; parsing an RSA key takes some milliseconds


class KeyLost(Exception):
    """A payload was encrypted with a key that is missing."""


class Vault:
    """Encrypts and decrypts payloads, and parses certificates."""

    def __init__(self, source: Path | KeyRing) -> None:
        """Load the keys of a directory, or of another key ring. Raises DamagedKey."""
        self._ring = keys.ring(source)
        self._keys = self._ring.load()
        self._secret = lru_cache(REMEMBERED)(self._read_secret)
        self._container = lru_cache(REMEMBERED)(self._read_container)

    def seal(self, payload: bytes) -> str:
        """Encrypt a payload for storage."""
        return self._keys.encrypt(payload).decode()

    def unseal(self, sealed: str) -> bytes:
        """Decrypt a stored payload. Raises KeyLost."""
        try:
            return self._keys.decrypt(sealed)
        except InvalidToken:
            self._load()
        return _open(self._keys, sealed)

    def _load(self) -> None:
        """Reload the keys, since another process may have created a new one. Raises KeyLost."""
        try:
            self._keys = self._ring.load()
        except keys.DamagedKey as error:
            raise KeyLost(str(error)) from None

    def of_secret(self, sealed: str) -> Material:
        return _or_fault(lambda: self._secret(sealed))

    def of_container(self, sealed: Mapping[str, str]) -> Material:
        return _or_fault(lambda: self._container(tuple(sorted(sealed.items()))))

    def _read_secret(self, sealed: str) -> Material:
        return certificates.of_secret(self.unseal(sealed))

    def _read_container(self, sealed: tuple[tuple[str, str], ...]) -> Material:
        return certificates.of_container({name: self.unseal(part) for name, part in sealed})


def _or_fault(read: Callable[[], Material]) -> Material:
    try:
        return read()
    except (certificates.CertificateError, KeyLost) as error:
        return Material(fault=str(error))


def _open(known: MultiFernet, sealed: str) -> bytes:
    try:
        return known.decrypt(sealed)
    except InvalidToken:
        raise KeyLost("the key that the payload was sealed with is lost") from None
