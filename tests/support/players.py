"""The genuine `openstack` in one process for many command lines, since starting it takes a second."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

# Takes command lines and answers them.
WORKER = """
import contextlib, importlib.metadata, io, json, logging, sys

hidden = sys.argv.pop()
genuine = importlib.metadata.Distribution.entry_points.fget
def others(self):
    return [] if self.metadata["Name"] == hidden else genuine(self)
importlib.metadata.Distribution.entry_points = property(others)
if hidden == "python-octaviaclient":
    sys.modules["octaviaclient"] = None
from openstackclient.shell import main

for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(json.loads(line))
        except SystemExit as end:
            status = end.code
    logging.getLogger().handlers.clear()
    print(json.dumps([status, out.getvalue(), err.getvalue()]), flush=True)
"""


class Openstack:
    """`openstack` as it is where the hidden distribution is not installed."""

    def __init__(self, environment: dict[str, str], hidden: str) -> None:
        command = [sys.executable, "-c", WORKER, hidden]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, words: Sequence[str]) -> tuple[int, str, str]:
        """The exit status, the output and the errors of a command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        status, out, err = json.loads(self._process.stdout.readline())
        return status, out, err

    def end(self) -> None:
        self._process.communicate(timeout=20)
