"""Payloads under lock and key: sealed in the database, opened with keys of the state directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import InvalidToken, MultiFernet

from . import certificates, keys
from .material import Material

DIRECTORY = "key-manager-keys"  # below the state directory
REMEMBERED = 256  # parsed certificates; an RSA key takes some milliseconds


class KeyLost(Exception):
    """A payload was sealed with a key that is not in the directory (any more)."""


class Vault:
    """What the store opens payloads with."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._keys = keys.load(directory)
        self._secret = lru_cache(REMEMBERED)(self._read_secret)
        self._container = lru_cache(REMEMBERED)(self._read_container)

    def seal(self, payload: bytes) -> str:
        """The payload as it is stored."""
        return self._keys.encrypt(payload).decode()

    def unseal(self, sealed: str) -> bytes:
        """The payload. Raises KeyLost."""
        try:
            return self._keys.decrypt(sealed)
        except InvalidToken:
            self._load()
        return _open(self._keys, sealed)

    def _load(self) -> None:
        """Another process may have made a new key. Raises KeyLost."""
        try:
            self._keys = keys.load(self._directory)
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
