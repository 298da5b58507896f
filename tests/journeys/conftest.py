"""Fixtures of journeys: the genuine openstack command."""

from __future__ import annotations

from typing import Any

import pytest

import genuine_openstack


@pytest.fixture
def openstack(server: Any) -> Any:
    """Run it against the server; what it prints or, where it is to fail, what it complains."""

    def run(*words: str, cloud: str = "lbclient", status: int = 0) -> str:
        ended = genuine_openstack.openstack({**server.environment, "OS_CLOUD": cloud}, *words)
        assert ended.returncode == status, ended.stderr
        return ended.stdout.strip() if status == 0 else ended.stderr

    return run
