"""Output of text to stdout or to the file named by --output."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...client.errors import WrongInput


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="<file>", help="The file to write (stdout).")


def write(text: str, path: str | None, stdout: Any) -> None:
    """Write a text to a file, or to stdout if path is None. Raises WrongInput if the file cannot be written."""
    if path is None:
        stdout.write(text)
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongInput(f"{path} cannot be written: {error.strerror}.") from error
