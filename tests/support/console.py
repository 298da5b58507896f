"""lbclient on a pseudo-terminal, and every byte that it writes there."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from teletype import Teletype

LBCLIENT = (sys.executable, "-m", "lbclient.cli.shell")


class Console(Teletype):
    """lbclient as it runs at a terminal."""

    def __init__(self, environment: Mapping[str, str], *arguments: str, columns: int = 80) -> None:
        kept = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        super().__init__([*LBCLIENT, *arguments], {**kept, "TERM": "xterm"}, columns)
