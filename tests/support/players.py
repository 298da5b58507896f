"""`lbclient` in one process for many command lines, since starting it takes longer than most of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

# Takes command lines and answers them; what is before it imports main.
LOOP = """
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

# lbclient, as it starts or without any of its short cuts.
WORKER = """
import contextlib, io, json, logging, os, sys

is_short = sys.argv.pop() == "short"
if not is_short:
    import importlib.metadata, logging.handlers, prettytable, stevedore, subprocess
from lbclient.cli.shell import main
if not is_short:
    from lbclient.cli.output import formatters
    formatters._plain = lambda *arguments: None
    os.environ["LBCLIENT_AUTH_CACHE"] = "off"
"""


class Lbclient:
    """`lbclient`; in full, it imports what it otherwise puts off, reads clouds.yaml, logs in, and uses requests."""

    def __init__(self, environment: dict[str, str], *, in_full: bool) -> None:
        command = [sys.executable, "-c", WORKER + LOOP, "full" if in_full else "short"]
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
        self._process.communicate(timeout=60)
