"""The commands beside those of the client: wrong options, missing packages, and how they end."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lbclient.lab.commands import NEEDED
from lbclient.lab.programs import LBCLIENT
from running import lbclient


def run(line: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", ["lab", "demo", "server"])
def test_help(command: str) -> None:
    done = run(lbclient(command, "--help"))
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: lbclient {command}")


@pytest.mark.parametrize("missing", NEEDED)
@pytest.mark.parametrize("command", ["lab", "demo", "server"])
def test_without_the_extra_it_says_what_to_install(command: str, missing: str) -> None:
    hidden = f"import sys; sys.modules[{missing!r}] = None; {LBCLIENT}"
    done = run([sys.executable, "-c", hidden, command])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"lbclient: {missing} is missing; pip install 'lbclient[server]' brings it\n"


def test_the_server_from_start_to_end(tmp_path: Path) -> None:
    line = lbclient("server", "--state-directory", str(tmp_path / "state"), "--bind-port", "0")
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert re.fullmatch(r"lbclient server is listening on http://127\.0\.0\.1:\d+\n", server.stdout.readline())
        clouds = tmp_path / "state" / "clouds.yaml"
        assert clouds.stat().st_mode & 0o777 == 0o600
        server.terminate()
        assert server.wait(20) == 0


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--bind-port", "x"], "--bind-port: 'x' is not allowed"),
        (["--config-file", "/nonexistent.ini"], "/nonexistent.ini: No such file or directory"),
        (["--attachment", "cable"], "one of lab, loopback, anyip, interface"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(options: list[str], word: str) -> None:
    done = run(lbclient("server", *options))
    assert done.returncode == 2
    assert word in done.stderr
    assert len(done.stderr.splitlines()) == 1
