"""The CI: tests inherit nothing from it, and its end repeats what failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

FAILURES = Path(__file__).parents[1] / ".ci" / "failures.py"
PYTEST = (
    "collected 2 items\n.F\n== FAILURES ==\n__ test_x __\n>   assert 0\n== short test summary info ==\nFAILED test_x"
)


def test_the_size_of_a_terminal_is_not_inherited() -> None:
    """tox and pytest-xdist set it, and programs on a terminal of a test's own would take it for theirs."""
    assert not {"COLUMNS", "LINES"} & set(os.environ)


def run(output: str, err: str = "", code: int = 1) -> dict[str, object]:
    return {"output": output, "err": err, "retcode": code}


def test_tracebacks_and_last_lines_of_what_failed_are_repeated(tmp_path: Path) -> None:
    environments = {
        "tests": {"result": {"success": False}, "setup": [run("installed", code=0)], "test": [run(PYTEST + "\n")]},
        "docs": {"result": {"success": True}, "test": [run("fine", code=0)]},
        "types": {"result": {"success": False}, "test": [run("\n".join(map(str, range(1000))) + "\n", "why")]},
        "lint": {"result": {"success": False}, "setup": [run("", "no network")]},
    }
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"testenvs": environments}))
    lines = subprocess.run([sys.executable, FAILURES, path], capture_output=True, text=True).stdout.splitlines()
    assert lines[:3] == ["---- tests failed ----", "== FAILURES ==", "__ test_x __"]
    assert "collected 2 items" not in lines
    assert "fine" not in lines
    assert lines[lines.index("---- types failed ----") + 1] != "0"
    assert lines[-4:] == ["999", "why", "---- lint failed ----", "no network"]
