"""A new key for the key manager, by hand, while no server runs: python -m lbclient.server.keymanager.rotation."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from ...store.migrations import TooNew
from ...store.store import Store
from ...vault import sealing
from .. import state
from ..config import ConfigError, add_arguments, from_arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Seal every payload with a new key and forget the old ones; the exit status. It takes the server's options."""
    parser = argparse.ArgumentParser(prog="python -m lbclient.server.keymanager.rotation", description=__doc__)
    add_arguments(parser)
    try:
        config = from_arguments(vars(parser.parse_args(argv)))
        with state.held(config.state_directory) as directory:
            store = Store(config.database_url)
            store.migrate()
            count = sealing.rotate(store, directory / sealing.DIRECTORY)
            store.close()
    except (ConfigError, state.StateError, TooNew, SQLAlchemyError) as error:
        print(f"{parser.prog}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    print(f"{count} payloads are sealed with a new key.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
