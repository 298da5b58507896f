"""Running things for tests: commands, servers, and waiting for what they do."""

from __future__ import annotations

import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from lbclient.lab.programs import LBCLIENT

Lab = Callable[..., "subprocess.CompletedProcess[str]"]


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Fails when the condition has not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def lbclient(*arguments: str) -> list[str]:
    """The command line of lbclient as this Python has it."""
    return [sys.executable, "-c", LBCLIENT, *arguments]


@contextmanager
def frozen(pids: Sequence[int]) -> Iterator[None]:
    """Processes that hang, as if their machine did."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def processes_with(marker: str) -> list[int]:
    """The processes of this machine that have the text in their command line or environment, without this one."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _mentions(path, marker)]


def _mentions(process: Path, marker: str) -> bool:
    if process.name == str(os.getpid()):
        return False
    try:
        return any(marker.encode() in (process / name).read_bytes() for name in ("cmdline", "environ"))
    except OSError:
        return False


@dataclass(frozen=True)
class RunningServer:
    """A server process of its own for one test, with its addresses in 127.0.0.0/8."""

    url: str
    state_directory: Path
    process: subprocess.Popen[str]

    @property
    def environment(self) -> dict[str, str]:
        """In which clients are user demo of project demo; --os-cloud lbclient-admin is there too."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        clouds = str(self.state_directory / "clouds.yaml")
        return {**kept, "OS_CLIENT_CONFIG_FILE": clouds, "OS_CLOUD": "lbclient"}


def own_networks() -> list[str]:
    """Return options for subnets that no other run on this machine uses, so that fixed ports are free."""
    first, second = secrets.randbelow(100) + 20, secrets.randbelow(250)
    return [f"--private-cidr=127.{first}.{second}.0/24", f"--public-cidr=127.{first + 100}.{second}.0/24"]


@contextmanager
def fed(module: ModuleType, argument: str) -> Iterator[subprocess.Popen[str]]:
    """A program that ends when its standard input does."""
    assert module.__file__ is not None
    command = [sys.executable, module.__file__, argument]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def free_ports(count: int) -> list[int]:
    """Free ports below those that the kernel gives to clients."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(10000, 32000)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)):
                found.append(port)
    return found


def start_server(
    state_directory: Path,
    *options: str,
    program: Sequence[str] = ("-m", "lbclient.server.main"),
    tree: Path | None = None,
) -> RunningServer:
    """A server on a free port, ready for requests; with `tree`, the one whose package is in that directory."""
    command = [sys.executable, *program, "--attachment=loopback", "--bind-port=0", "--demo"]
    command += [f"--state-directory={state_directory}", *own_networks(), *options]
    environment = {**os.environ, "PYTHONPATH": str(tree)} if tree else None
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tree, env=environment)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the server did not start"
    return RunningServer(line.split()[-1], state_directory, process)


def end_server(server: RunningServer) -> None:
    """Ends the server and the HAProxy processes that outlive it."""
    server.process.terminate()
    server.process.communicate(timeout=60)
    for pid in processes_with(str(server.state_directory)):
        os.kill(pid, signal.SIGKILL)
