"""Commands of the operator's guides, run one after the other in namespaces of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = ["unshare", "--user", "--map-root-user", "--net"]
MARK = "=====played="
END = "=====end====="


def check_namespaces(trial: str) -> None:
    """Skips the test where this command fails in new namespaces."""
    if subprocess.run([*NAMESPACE, "sh", "-c", trial], capture_output=True).returncode != 0:
        pytest.skip("no network namespaces with links here")


def marked(number: int, command: str) -> list[str]:
    """The lines of a script that run a command so that its output and its exit status can be told from others."""
    return [f"echo {MARK}{number}", command, "status=$?; echo; echo $status"]


def script(lines: Sequence[str]) -> str:
    return "\n".join([*lines, f"echo {END}", "exit 0"])


def environment(root: Path, dropped: tuple[str, ...] = ("OS_",)) -> dict[str, str]:
    """The variables of a script, whose files are below `root`; those that begin so are dropped."""
    places = Path(sys.executable).parent
    found = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    found |= {"ROOT": str(root), "LBCLIENT": str(places / "lbclient"), "PYTHON": sys.executable}
    found["PATH"] = f"{places}:{found['PATH']}"
    return found


def outputs(text: str, count: int, variables: Mapping[str, str], seconds: int) -> list[str]:
    """Runs a script of so many commands, and gives the output of each, which ends with its exit status."""
    done = subprocess.run(
        [*NAMESPACE, "bash", "-c", text],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )
    found = re.split(rf"^{MARK}\d+\n", done.stdout.partition(END)[0], flags=re.MULTILINE)[1:]
    assert len(found) == count, done.stdout
    return found


def has_failed(output: str) -> bool:
    return output.rstrip().rpartition("\n")[2] != "0"
