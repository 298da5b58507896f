"""The command doctor, which reports problems with advice."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..cli.command import Lister, positive_seconds
from ..cli.credentials import credentials
from ..cli.output.columns import Cell
from ..client.checkup import OK, PROBLEM, Finding, of_cloud
from .checkup import of_machine

COLUMNS = ("check", "state", "found", "advice")
TABLE_COLUMNS = ("check", "state", "found, and what to do")
FRAME = 36  # width of the other columns and the table's rules
PARTS = ("cloud", "machine")


class Doctor(Lister):
    """Check the credentials, the cloud and this machine, and say what to do about what is wrong.

    Nothing is changed. The exit status is 1 if there is a problem, else 0; a warning is none. What is checked of this
    machine is what `lbclient server`, `lab` and `demo` need; where they are not installed, that is no problem.
    """

    examples = ("", "--only cloud -f json", "--only machine")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--only", choices=PARTS, help="Check the cloud or this machine only (both).")
        parser.add_argument(
            "--timeout",
            metavar="<seconds>",
            type=positive_seconds,
            default=10.0,
            help="How long to wait at most for each of the cloud's answers (10).",
        )
        parser.add_argument(
            "--state-directory",
            metavar="<state-directory>",
            type=Path,
            default=_state_directory(),
            help="Where the local server has its state (~/.local/state/lbclient).",
        )

    def run(self, parsed: argparse.Namespace) -> int:
        self._has_problem = False
        status: int = super().run(parsed)
        return status or int(self._has_problem)

    def take_action(self, parsed: argparse.Namespace) -> tuple[Sequence[str], list[Sequence[Any]]]:
        findings = list(self._findings(parsed))
        self._has_problem = any(finding.state == PROBLEM for finding in findings)
        if parsed.formatter == "table":
            return TABLE_COLUMNS, [_row(finding) for finding in findings]
        return COLUMNS, [(each.check, each.state, each.found, each.advice) for each in findings]

    def _findings(self, parsed: argparse.Namespace) -> Iterator[Finding]:
        yield Finding("program", OK, f"lbclient {__version__} on Python {platform.python_version()}.")
        if parsed.only != "machine":
            app: Any = self.app
            yield from of_cloud({**credentials(app.options), "api_timeout": str(parsed.timeout)})
        if parsed.only != "cloud":
            yield from of_machine(parsed.state_directory.expanduser().absolute())


def _row(finding: Finding) -> Sequence[Any]:
    width = max(30, min(shutil.get_terminal_size().columns, 110) - FRAME)
    lines = textwrap.wrap(finding.found, width, break_on_hyphens=False)
    lines += textwrap.wrap(finding.advice, width, initial_indent="-> ", subsequent_indent="   ", break_on_hyphens=False)
    return finding.check, finding.state, Cell(finding.found, "\n".join(lines))


def _state_directory() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "lbclient"
