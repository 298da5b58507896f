"""Encrypt all payloads of the key manager with a new key. The server must not be running."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ...store.keymanager_tables import SECRET
from ...store.migrations import Unfit
from ...store.store import Store
from ...vault import keys
from ...vault.keys import DamagedKey, KeyRing
from .. import key_rings, state
from ..config import ConfigError
from ..config_sources import add_arguments, from_arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, which takes the options of the server, and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m lbclient.server.keymanager.rotation", description=__doc__)
    add_arguments(parser)
    try:
        config = from_arguments(vars(parser.parse_args(argv)))
        with state.held(config.state_directory):
            store = Store(config.database_url)
            store.migrate()
            count = rotate(store, key_rings.opened(config, store).secrets)
            store.close()
    except (ConfigError, DamagedKey, state.StateError, Unfit, SQLAlchemyError) as error:
        print(f"{parser.prog}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    print(f"{count} payloads are sealed with a new key.")
    return 0


def rotate(store: Store, source: Path | KeyRing) -> int:
    """Encrypt every payload with a new key and delete the old keys. Returns the number of payloads.

    An interruption is safe at any point: the keys of all payloads still exist.
    """
    ring = keys.ring(source)
    ring.load()  # creates the first key if there is none
    ring.add()
    known = ring.load()
    count = 0
    with store.writing() as tx:
        payloads = sa.select(SECRET.c.id, SECRET.c.sealed).where(SECRET.c.sealed.is_not(None))
        for id_, sealed in tx.execute(payloads).all():
            again = known.rotate(sealed).decode()
            tx.execute(sa.update(SECRET).where(SECRET.c.id == id_).values(sealed=again))
            count += 1
    ring.forget(1)
    return count


if __name__ == "__main__":
    sys.exit(main())
