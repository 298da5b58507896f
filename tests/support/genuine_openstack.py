"""The genuine `openstack`, forked from a process that has imported it: its imports take most of a command's time.

It can run as where a distribution is not installed, which its commands then do not come from.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

SECONDS = 300

SOURCE = """
import contextlib, importlib.metadata, io, json, logging, os, sys

hidden = sys.argv.pop()
genuine = importlib.metadata.Distribution.entry_points.fget
def others(self):
    return [] if self.metadata["Name"] == hidden else genuine(self)
if hidden:
    importlib.metadata.Distribution.entry_points = property(others)
if hidden == "python-octaviaclient":
    sys.modules["octaviaclient"] = None
from openstackclient.shell import main

with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(["loadbalancer", "list", "--help"])  # so that the plugins are imported, too
logging.getLogger().handlers.clear()
for line in sys.stdin:
    words, environment, *outputs = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(environment)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin = open(0, closefd=False)
        for number, path in enumerate(outputs, 1):
            os.dup2(os.open(path, os.O_WRONLY), number)
        sys.exit(main(words))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def openstack(environment: Mapping[str, str], *words: str, hidden: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own; return its status and what it wrote. Raises TimeoutExpired.

    `hidden` is the name of a distribution that it does not find.
    """
    with tempfile.TemporaryDirectory() as directory:
        outputs = [Path(directory) / name for name in ("out", "err")]
        for each in outputs:
            each.touch()
        status = _forked(json.dumps([words, dict(environment), *map(str, outputs)]), words, hidden)
        out, err = (each.read_text() for each in outputs)
    return subprocess.CompletedProcess(words, status, out, err)


def _forked(request: str, words: tuple[str, ...], hidden: str) -> int:
    process = _parent(hidden)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(request + "\n")
    process.stdin.flush()
    if not select.select([process.stdout], [], [], SECONDS)[0]:
        _parent.cache_clear()
        _end(process)
        raise subprocess.TimeoutExpired(words, SECONDS)
    return int(process.stdout.readline())


@functools.cache
def _parent(hidden: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    if hidden:
        # stevedore remembers what it found for all that run with the same paths, whatever they hide.
        memory = tempfile.TemporaryDirectory()
        environment["XDG_CACHE_HOME"] = memory.name
        atexit.register(memory.cleanup)
    process = subprocess.Popen(
        [sys.executable, "-c", SOURCE, hidden],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
