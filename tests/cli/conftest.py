"""A server for all tests of the command line, and `lbclient` in this process."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lbclient.cli.shell import main
from running import own_networks


@dataclass(frozen=True)
class Cloud:
    """A running server, and how clients find it."""

    url: str
    state_directory: Path

    def environment(self, cloud: str = "lbclient") -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "CLIFF_"))}
        return {**kept, "OS_CLIENT_CONFIG_FILE": str(self.state_directory / "clouds.yaml"), "OS_CLOUD": cloud}


@dataclass(frozen=True)
class Result:
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        assert self.status == 0, self.err
        return self.out.splitlines()


Run = Callable[..., Result]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A server whose load balancers get addresses of a subnet of its own."""
    directory = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "lbclient.server.main", "--attachment=loopback", "--bind-port=0", "--demo"]
    process = subprocess.Popen(
        [*command, *own_networks(), f"--state-directory={directory}"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, "the server did not start"
        yield Cloud(line.split()[-1], directory)
    finally:
        process.terminate()
        process.communicate(timeout=60)
        for path in Path("/proc").glob("[0-9]*/cmdline"):  # HAProxy outlives the server
            try:
                is_ours = str(directory).encode() in path.read_bytes()
            except OSError:
                continue
            if is_ours:
                os.kill(int(path.parent.name), signal.SIGKILL)


@pytest.fixture
def run_main(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `lbclient` in this process, with the environment as it is."""

    def run(*arguments: str) -> Result:
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture
def run(run_main: Run, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `lbclient` as user demo of the server."""
    for name in os.environ:
        if name.startswith(("OS_", "CLIFF_")):
            monkeypatch.delenv(name)
    for name, value in cloud.environment().items():
        if name.startswith("OS_"):
            monkeypatch.setenv(name, value)
    return run_main


@pytest.fixture
def name() -> str:
    """A name that nothing has."""
    return f"n-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def loadbalancer(run: Run, name: str) -> Iterator[str]:
    """The name of a load balancer that is ACTIVE and ONLINE."""
    result = run("loadbalancer", "create", "--name", name, "--vip-subnet-id", "private-subnet", "--wait")
    assert result.status == 0, result.err
    deadline = time.monotonic() + 10
    while run("loadbalancer", "show", name, "-f", "json").json["operating_status"] != "ONLINE":
        assert time.monotonic() < deadline, "it does not come online"
    yield name
    run("loadbalancer", "delete", "--cascade", name)


@pytest.fixture
def listener(run: Run, loadbalancer: str) -> str:
    """The name of an HTTP listener."""
    result = run(
        *("loadbalancer", "listener", "create", "--name", f"{loadbalancer}-listener", "--protocol", "HTTP"),
        *("--protocol-port", "8080", "--wait", loadbalancer),
    )
    assert result.status == 0, result.err
    return f"{loadbalancer}-listener"


@pytest.fixture
def pool(run: Run, loadbalancer: str, listener: str) -> str:
    """The name of that listener's pool."""
    result = run(
        *("loadbalancer", "pool", "create", "--name", f"{loadbalancer}-pool", "--protocol", "HTTP", "--lb-algorithm"),
        *("ROUND_ROBIN", "--wait", "--listener", listener),
    )
    assert result.status == 0, result.err
    return f"{loadbalancer}-pool"
