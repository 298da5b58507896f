"""Fixtures of journeys: the genuine openstack command."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

OPENSTACK = "import sys; from openstackclient.shell import main; sys.exit(main())"


@pytest.fixture
def openstack(server: Any) -> Any:
    """Run it against the server; what it prints or, where it is to fail, what it complains."""

    def run(*words: str, cloud: str = "lbclient", status: int = 0) -> str:
        command = [sys.executable, "-c", OPENSTACK, *words]
        environment = {**server.environment, "OS_CLOUD": cloud}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert ended.returncode == status, ended.stderr
        return ended.stdout.strip() if status == 0 else ended.stderr

    return run
