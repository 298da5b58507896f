"""Keys of the servers in the database, sealed by a master key that the servers share."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ..vault.keys import DamagedKey
from .cluster_tables import SERVER_KEY
from .store import Store


class SealedKeys:
    """The keys of one kind. The highest number encrypts, all of them decrypt."""

    def __init__(self, store: Store, master: Fernet, kind: str) -> None:
        self._store = store
        self._master = master
        self._kind = kind

    def load(self) -> MultiFernet:
        """Return all keys, after creating the first if there is none. Raises DamagedKey."""
        with self._store.reading() as tx:
            found = self._sealed(tx)
        if not found:
            self.adopt([Fernet.generate_key()])
            return self.load()
        return MultiFernet([self._opened(each) for each in found])

    def check(self) -> None:
        """Check that the master key opens the keys that there are. Raises DamagedKey."""
        with self._store.reading() as tx:
            found = self._sealed(tx)
        for each in found:
            self._opened(each)

    def adopt(self, keys: Iterable[bytes]) -> None:
        """Keep these keys, oldest first, unless the database has keys already."""
        with self._store.writing() as tx:
            if not self._sealed(tx):
                for number, key in enumerate(keys, 1):
                    self._put(tx, number, key)

    def add(self) -> None:
        """Create a new key, which encrypts from now on."""
        newest = sa.select(sa.func.max(SERVER_KEY.c.number)).where(SERVER_KEY.c.kind == self._kind)
        with self._store.writing() as tx:
            self._put(tx, (tx.scalar(newest) or 0) + 1, Fernet.generate_key())

    def forget(self, kept: int) -> None:
        """Delete all keys except the newest `kept` ones."""
        mine = SERVER_KEY.c.kind == self._kind
        with self._store.writing() as tx:
            numbers = tx.scalars(sa.select(SERVER_KEY.c.number).where(mine).order_by(SERVER_KEY.c.number.desc())).all()
            tx.execute(sa.delete(SERVER_KEY).where(mine, SERVER_KEY.c.number.in_(numbers[kept:])))

    def _sealed(self, tx: sa.Connection) -> list[str]:
        mine = sa.select(SERVER_KEY.c.sealed).where(SERVER_KEY.c.kind == self._kind)
        return list(tx.scalars(mine.order_by(SERVER_KEY.c.number.desc())))

    def _put(self, tx: sa.Connection, number: int, key: bytes) -> None:
        sealed = self._master.encrypt(key).decode()
        tx.execute(sa.insert(SERVER_KEY).values(kind=self._kind, number=number, sealed=sealed))

    def _opened(self, sealed: str) -> Fernet:
        try:
            return Fernet(self._master.decrypt(sealed))
        except InvalidToken:
            raise DamagedKey(
                "The master key does not open the keys in the database: it is not the one that sealed them."
            ) from None
