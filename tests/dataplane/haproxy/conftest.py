"""Network namespaces for tests of attachments."""

from __future__ import annotations

import pytest

from machines import CAPABILITIES, IN_NAMESPACE, NETWORKS, USER, Run, runner


@pytest.fixture
def in_namespace() -> Run:
    """Runs Python in a network namespace in which it is root; what it printed."""
    return runner(IN_NAMESPACE)


@pytest.fixture
def on_interfaces() -> Run:
    """The same, with servers that attach addresses to interfaces."""
    return runner(IN_NAMESPACE, f"--attachment=interface {NETWORKS}")


@pytest.fixture
def in_namespace_without_root() -> Run:
    """Runs Python in a network namespace in which it is a usual user with two capabilities; what it printed."""
    wanted = ",".join(("-all", *(f"+{name}" for name in CAPABILITIES)))
    command = ["unshare", "--user", f"--map-user={USER}", f"--map-group={USER}", "--net", "--keep-caps"]
    command += ["setpriv", f"--bounding-set={wanted}", f"--inh-caps={wanted}", f"--ambient-caps={wanted}"]
    return runner(command)
