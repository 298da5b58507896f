"""openstacksdk's proxies through all that they can do with the services here, unmodified."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from running import RunningServer


@pytest.mark.parametrize("program", ["sdk_load_balancing", "sdk_neighbours"])
def test_nothing_is_left_out(server: RunningServer, program: str) -> None:
    # In a process of its own: what the SDK warns of is not ours to mend.
    command = [sys.executable, "-W", "ignore", str(Path(__file__).parent / f"{program}.py")]
    ended = subprocess.run(command, env=server.environment, capture_output=True, text=True, timeout=180)
    assert (ended.stdout, ended.returncode) == ("[]\n", 0), ended.stderr
