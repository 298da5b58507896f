"""The program of the page about the Python client, against a server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from lbclient.client import errors
from running import RunningServer

SOURCE = Path(__file__).parents[2] / "doc" / "source"
PROGRAM = SOURCE / "examples/python/shop.py"
PAGE = (SOURCE / "python.rst").read_text()


def play(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(command, env=server.environment, capture_output=True, text=True, timeout=60)


def test_it_does_what_the_page_says(server: RunningServer) -> None:
    done = play(server, "lbclient", "shop", "127.0.0.4", "127.0.0.6")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"127\.[\d.]+: weights \[0, 1\], ONLINE\n", done.stdout)
    assert play(server, "lbclient", "shop", "127.0.0.4").returncode == 0  # nothing has stayed
    refused = play(server, "lbclient", "shop", "nonsense")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "(HTTP 400)" in refused.stderr
    assert play(server, "nowhere", "shop").stderr.splitlines()[-1].startswith("lbclient.client.errors.NotConfigured")


def test_the_page_shows_all_of_it() -> None:
    shown = re.findall(r":start-after: # begin (\w+)\n   :end-before: # end \1", PAGE)
    assert shown == re.findall(r"# begin (\w+)", PROGRAM.read_text())


def test_every_exception_of_the_page_exists() -> None:
    table = PAGE.partition("   * - Class")[2].partition(".. literalinclude")[0]
    named = re.findall(r"``([A-Z][a-zA-Z]+)``", table)
    assert len(named) > 10
    assert [name for name in named if name not in ("ERROR",) and not hasattr(errors, name)] == []
