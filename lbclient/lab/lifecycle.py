"""Start and stop of servers for programs: in the background, or for the lifetime of their parent."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import select
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from ..server import main, running
from ..server.config import Config
from ..server.testing.seeding import Seed
from . import loopback, programs

PR_SET_PDEATHSIG = 1
START_SECONDS = 60.0
END_SECONDS = 10.0  # for a server that did not start in time, from SIGTERM to SIGKILL
LOG = "server.log"


def detach(config: Config, options: Sequence[str]) -> int:
    """Start a server in the background with these options, wait until it is ready, and return the exit status.

    Its output goes to server.log in the state directory, and is printed if the server does not start.
    """
    directory = config.state_directory
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / LOG
    begin = path.stat().st_size if path.exists() else 0
    readable, writable = os.pipe()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as log:
        process = subprocess.Popen(
            programs.command("lbclient.cli.shell", "server", *options),
            stdin=subprocess.DEVNULL,
            stdout=writable,
            stderr=log,
            start_new_session=True,
        )
    os.close(writable)
    with open(readable) as said:
        is_heard = select.select([said], [], [], START_SECONDS)[0]
        line = said.readline() if is_heard else ""
    if line:
        print(line, end="")
        return 0
    status = process.wait() if is_heard else _end(process)
    with path.open() as log:
        log.seek(begin)
        sys.stderr.write(log.read())
    if not is_heard:
        print(f"lbclient server: it did not start within {START_SECONDS:g} seconds.", file=sys.stderr)
    return status if status > 0 else 1


def _end(process: subprocess.Popen[bytes]) -> int:
    """End a process, if necessary by SIGKILL, and return its exit status, negative after a signal."""
    process.terminate()
    try:
        return process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def serve_ephemerally(config: Config, given: Collection[str], seed: Seed | None) -> int:
    """Serve from a temporary directory on separate addresses until the parent ends; return the exit status.

    `given` has the names of the options that the user has set. HAProxy processes end with the server.
    """
    if "state_directory" in given:
        print("lbclient server: --ephemeral uses a temporary directory; give it no state directory.", file=sys.stderr)
        return 2
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return 128 + signal.SIGTERM
    return loopback.run(lambda directory: _serve_in(directory, config, given, seed))


def _serve_in(directory: Path, config: Config, given: Collection[str], seed: Seed | None) -> int:
    with loopback.reserved_networks() as place:
        return main.serve(_placed(config, given, directory, place), seed)


def _placed(config: Config, given: Collection[str], directory: Path, place: loopback.LoopbackNetworks) -> Config:
    """Return the configuration with an unused state directory, port and subnets for those that are not given."""
    return dataclasses.replace(
        config,
        state_directory=directory / "server",
        bind_port=config.bind_port if "bind_port" in given else 0,
        private_cidr=config.private_cidr or f"{place.private}.0/24",
        public_cidr=config.public_cidr or f"{place.public}.0/24",
        demo=True,
    )


def status(directory: Path) -> int:
    """Print where the server of a state directory listens; 0 if it answers, 1 if it does not, 3 if there is none."""
    found = running.find(directory)
    if found is None:
        print(f"No server uses {directory}.")
        return 3
    is_ready = running.is_ready(found.url)
    print(f"Process {found.pid} listens on {found.url}{'' if is_ready else ', but does not answer'}.")
    print(f"Log in: OS_CLIENT_CONFIG_FILE={found.clouds_file}")
    return 0 if is_ready else 1


def stop(directory: Path, seconds: float) -> int:
    """Stop the server of a state directory; return the exit status, which is 0 also if there is none."""
    try:
        ended = running.stop(directory, seconds)
    except running.OutOfReach as reason:
        print(f"lbclient server: {reason}", file=sys.stderr)
        return 1
    if ended is False:
        print(f"lbclient server: it has not ended after {seconds:g} seconds.", file=sys.stderr)
        return 1
    print("Stopped." if ended else f"No server uses {directory}.")
    return 0


def wait(directory: Path, seconds: float) -> int:
    """Wait until the server of a state directory answers; return 0, or 1 after a timeout."""
    found = running.wait(directory, seconds)
    if found is None:
        print(f"lbclient server: none that uses {directory} answers after {seconds:g} seconds.", file=sys.stderr)
        return 1
    print(found.url)
    return 0
