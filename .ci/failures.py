"""Print the last output of each environment that failed, from the file that tox writes with --result-json.

For pytest that is everything from its section of errors or failures on; for other programs the last lines.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

LINES = 40  # printed of programs other than pytest
MOST = 400  # printed of pytest: its last lines, which end with the summary
TRACEBACKS = re.compile(r"=+ (ERRORS|FAILURES) =+")


def failures(results: dict[str, Any]) -> Iterator[str]:
    """Yield a heading and the last lines of each environment that failed."""
    for name, environment in results.get("testenvs", {}).items():
        if environment.get("result", {}).get("success", True):
            continue
        runs = [run for step in ("setup", "test") for run in environment.get(step, ()) if run["retcode"] != 0]
        yield f"---- {name} failed ----"
        for run in runs:
            yield from last_lines((run["output"] + run["err"]).splitlines())


def last_lines(lines: Sequence[str]) -> Sequence[str]:
    """Return pytest's tracebacks and summary, if there are any; else the last lines."""
    start = next((number for number, line in enumerate(lines) if TRACEBACKS.fullmatch(line)), None)
    return lines[-LINES:] if start is None else lines[start:][-MOST:]


if __name__ == "__main__":
    for line in failures(json.loads(Path(sys.argv[1]).read_text())):
        print(line)
