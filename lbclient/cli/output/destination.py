"""Text for stdout, or for the file that --output names."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...client.errors import WrongInput


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="<file>", help="The file to write (stdout).")


def write(text: str, path: str | None, stdout: Any) -> None:
    """Raises WrongInput where the file cannot be written."""
    if path is None:
        stdout.write(text)
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongInput(f"{path} cannot be written: {error.strerror}.") from error
