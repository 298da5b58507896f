"""Start and stop of servers for programs: in the background, or for the lifetime of their parent."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..server import main, running
from ..server.config import Config
from ..server.testing.seeding import Seed
from . import loopback, programs

PR_SET_PDEATHSIG = 1
START_SECONDS = 60.0
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
    if process.poll() is None and not is_heard:
        process.terminate()
    status = process.wait()
    with path.open() as log:
        log.seek(begin)
        sys.stderr.write(log.read() or f"lbclient server: it did not start within {START_SECONDS:g} seconds.\n")
    return status if status > 0 else 1


def serve_ephemerally(config: Config, seed: Seed | None) -> int:
    """Serve from a temporary directory on separate addresses until the parent ends; return the exit status.

    HAProxy processes end with the server.
    """
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return 128 + signal.SIGTERM
    return loopback.run(lambda directory: main.serve(_placed(config, directory), seed))


def _placed(config: Config, directory: Path) -> Config:
    """Return the configuration with an unused state directory, port and subnets for those that are not given."""
    place = loopback.find_networks()
    usual = Config()
    return dataclasses.replace(
        config,
        state_directory=directory / "server",
        bind_port=0 if config.bind_port == usual.bind_port else config.bind_port,
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
    ended = running.stop(directory, seconds)
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
