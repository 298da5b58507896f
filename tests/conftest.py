"""What tests share: a running server, and labs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lbclient.lab import namespace
from running import Lab, RunningServer, end_server, lbclient, start_server

NOBODY = "65534"
ENVIRONMENT = ("env", "HOME=/nonexistent", "PATH=/usr/local/bin:/usr/bin:/bin")  # root's may not be nobody's to read


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server on a free port of 127.0.0.1, whose load balancers get addresses of a subnet of its own."""
    running = start_server(tmp_path / "state")
    try:
        yield running
    finally:
        end_server(running)


@pytest.fixture(scope="session")
def unprivileged() -> Sequence[str]:
    """What a command line begins with to run as an ordinary user, where that is possible; else nothing."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        return ()
    prefix = ("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps=-all", *ENVIRONMENT)
    trial = subprocess.run(
        [*prefix, sys.executable, "-c", "import lbclient.lab.namespace, pyroute2"], capture_output=True
    )
    return prefix if trial.returncode == 0 else ()


@pytest.fixture(scope="session")
def open_lab(unprivileged: Sequence[str]) -> Lab:
    """Runs a command in a lab of its own: open_lab("sh", "-c", …) is the completed process."""
    reason = namespace.obstacle()
    if reason:
        pytest.skip(reason)

    def run(*command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        line = [*unprivileged, *lbclient("lab", "--", *command)]
        return subprocess.run(line, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)

    return run
