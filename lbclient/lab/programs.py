"""Command lines that run modules of lbclient as separate processes."""

from __future__ import annotations

import sys

# Python has the working directory first on its path with -c and -m, and a user's secrets.py would be imported.
SAFE_PATH = "import sys; sys.path[:] = [place for place in sys.path if place]"


def source(module: str) -> str:
    """Return source for `python -c` that runs a module's main and imports modules only from their installed places."""
    return f"{SAFE_PATH}; from {module} import main; sys.exit(main())"


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module's main."""
    return [sys.executable, "-c", source(module), *arguments]


LBCLIENT = source("lbclient.cli.shell")
