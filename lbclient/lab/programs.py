"""Programs of ours as processes of their own."""

from __future__ import annotations

import sys

# Python has the working directory first on its path with -c and -m, and a user's secrets.py would be imported.
SAFE_PATH = "import sys; sys.path[:] = [place for place in sys.path if place]"


def source(module: str) -> str:
    """A program for `python -c`: a module's main, which finds modules where they are installed only."""
    return f"{SAFE_PATH}; from {module} import main; sys.exit(main())"


def command(module: str, *arguments: str) -> list[str]:
    """The command line of a module's main."""
    return [sys.executable, "-c", source(module), *arguments]


LBCLIENT = source("lbclient.cli.shell")
