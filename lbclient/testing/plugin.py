"""The pytest plugin: a server for the session, and a separate project for each test.

Other modules are imported only when a test uses a fixture, since pytest loads every plugin, used or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .cloud import Cloud
    from .server import NotStarted, Server

MODES = ("noop", "traffic", "lab")
BUSY = ("wait", "strict")
MARKER = 'lbclient(mode="noop", busy="wait"): the server that a test needs; modes are noop, traffic and lab'


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    config.stash[_SERVERS] = {}


def pytest_unconfigure(config: pytest.Config) -> None:
    for server in config.stash.get(_SERVERS, {}).values():
        if not isinstance(server, Exception):
            server.stop()


_SERVERS = pytest.StashKey[dict[Any, "Server | NotStarted"]]()


def _wanted(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return the mode and the busy option of a test's marker. Raises UsageError."""
    marker = request.node.get_closest_marker("lbclient")
    given = {"mode": "noop", "busy": "wait", **(marker.kwargs if marker else {})}
    unknown = set(given) - {"mode", "busy"}
    if unknown or (marker and marker.args):
        raise pytest.UsageError(f"{request.node.nodeid}: the marker is {MARKER}")
    for name, allowed in (("mode", MODES), ("busy", BUSY)):
        if given[name] not in allowed:
            raise pytest.UsageError(
                f"{request.node.nodeid}: lbclient({name}={given[name]!r}) is none of {', '.join(allowed)}"
            )
    return given["mode"], given["busy"]


def _server(config: pytest.Config, mode: str, busy: str) -> Server:
    """Return the session's server of a kind and start it at its first use; each xdist worker has its own."""
    from .server import NotStarted, Server, of_the_lab

    servers = config.stash[_SERVERS]
    if (mode, busy) not in servers:
        options = ["--busy-wait=strict"] if busy == "strict" else []
        if mode == "noop":
            options += ["--default-provider=noop_driver"]
        try:
            servers[mode, busy] = of_the_lab() if mode == "lab" else Server.start(options)
        except NotStarted as reason:
            servers[mode, busy] = reason  # each further test would wait just as long
    found = servers[mode, busy]
    if isinstance(found, Server):
        return found
    if mode == "lab":
        pytest.skip(str(found))
    raise NotStarted(str(found))


@pytest.fixture(scope="session")
def lbclient_server(request: pytest.FixtureRequest) -> Server:
    """Provide the server of the session, which carries no traffic."""
    return _server(request.config, "noop", "wait")


@pytest.fixture
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Provide a new project on a server of the kind that the marker lbclient names."""
    from .cloud import Cloud

    made = Cloud(_server(request.config, *_wanted(request)), tmp_path_factory.mktemp("cloud"))
    try:
        yield made
    finally:
        made.close()
