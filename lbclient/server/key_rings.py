"""Where the keys of tokens and of the key manager are: in files, or sealed in the database."""

from __future__ import annotations

from dataclasses import dataclass

from ..store.sealed_keys import SealedKeys
from ..store.store import Store
from ..vault import keys
from ..vault.keys import Files, KeyRing
from ..vault.sealing import DIRECTORY as SECRET_KEYS
from . import state
from .config import Config

__all__ = ["SECRET_KEYS", "TOKEN_KEYS", "KeyRings", "check", "check_sealed", "opened"]

TOKEN_KEYS = "fernet-keys"  # the directory of the keys of tokens, beside that of the key manager's keys


@dataclass(frozen=True)
class KeyRings:
    """The keys of a server."""

    tokens: KeyRing
    secrets: KeyRing


def check(config: Config) -> None:
    """Check, before the database is opened, the files of keys that there are, and that none is missing.

    Raises StateError and DamagedKey.
    """
    if config.master_key is None:
        if not config.has_agent:
            state.check_keys(config.key_directory, (SECRET_KEYS, TOKEN_KEYS))
        for name in (SECRET_KEYS, TOKEN_KEYS):
            keys.read(config.key_directory / name)
    elif config.master_key.exists() or not config.has_agent:
        keys.master(config.master_key, may_create=False)
    else:
        keys.check_directory(config.master_key)


def check_sealed(config: Config, migrated: Store) -> None:
    """Check that the master key, if there is one, opens the keys in the database. Raises DamagedKey."""
    if config.master_key is not None and config.master_key.exists():
        master = keys.master(config.master_key, may_create=False)
        for name in (TOKEN_KEYS, SECRET_KEYS):
            SealedKeys(migrated, master, name).check()


def opened(config: Config, migrated: Store) -> KeyRings:
    """Return the keys; `migrated` is the database where they are kept if there is a master key.

    Keys in files are then moved into a database that has none. Raises DamagedKey.
    """
    if config.master_key is None:
        return KeyRings(Files(config.key_directory / TOKEN_KEYS), Files(config.key_directory / SECRET_KEYS))
    master = keys.master(config.master_key, may_create=config.has_agent)
    rings = {name: SealedKeys(migrated, master, name) for name in (TOKEN_KEYS, SECRET_KEYS)}
    for name, ring in rings.items():
        ring.adopt(keys.read(config.key_directory / name))
        ring.load()  # refuses a wrong master key at the start
    return KeyRings(rings[TOKEN_KEYS], rings[SECRET_KEYS])
