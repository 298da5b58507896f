"""Checks whether the reference server can run on this machine, with advice."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from ..client.checkup import OK, PROBLEM, SKIPPED, WARNING, Finding
from ..dataplane.haproxy import binary
from . import namespace
from .commands import NEEDED
from .environment import PORT
from .link_checkup import of_links

INSTALL = "pip install 'lbclient[server]'"
HOST = "127.0.0.1"
LOW_PORTS = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
SECONDS = 5


def of_machine(state_directory: Path) -> Iterator[Finding]:
    """Yield the findings for a server with this state directory; nothing is changed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    yield _packages(missing)
    yield _haproxy(is_needed=not missing)
    yield _namespaces()
    yield _port()
    yield _low_ports()
    yield from of_links()
    yield _state(state_directory)


def _packages(missing: list[str]) -> Finding:
    if missing:
        return Finding(
            "server", SKIPPED, f"Not installed: {', '.join(missing)} missing.", f"For a local server: {INSTALL}"
        )
    return Finding("server", OK, "Everything that the server imports is installed.")


def _haproxy(*, is_needed: bool) -> Finding:
    try:
        path = binary.find_haproxy()
        said = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=SECONDS, check=False).stdout
    except (binary.NotFound, OSError, subprocess.TimeoutExpired) as error:
        if is_needed:
            return Finding("HAProxy", PROBLEM, str(error), f"{INSTALL}, or: apt-get install haproxy")
        return Finding("HAProxy", SKIPPED, "Not installed.", f"For a local server: {INSTALL}")
    version = next((word for word in said.split() if word[:1].isdigit()), "an unknown version")
    return Finding("HAProxy", OK, f"{version} at {path}.")


def _namespaces() -> Finding:
    reason = namespace.obstacle()
    if reason is None:
        return Finding("namespaces", OK, "Allowed: `lbclient lab` and `lbclient demo` run without root.")
    found, _, ways = reason.partition("\n")
    return Finding(
        "namespaces", WARNING, found, " ".join(ways.split()).replace(" - ", " or: ", 1).replace(" - ", "; or: ")
    )


def _port() -> Finding:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, PORT))
        except OSError:
            return _taken()
    return Finding("port", OK, f"{HOST}:{PORT}, the server's usual one, is free.")


def _taken() -> Finding:
    if _is_server():
        return Finding("port", OK, f"A server is running at http://{HOST}:{PORT}.")
    return Finding(
        "port", WARNING, f"{HOST}:{PORT} is taken by another program.", "Give the server another one: --bind-port 9877"
    )


def _is_server() -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{HOST}:{PORT}/load-balancer", timeout=SECONDS) as answer:
            return b'"versions"' in answer.read(65536)
    except (OSError, ValueError, urllib.error.URLError):
        return False


def _low_ports() -> Finding:
    try:
        first = int(LOW_PORTS.read_text())
    except (OSError, ValueError):
        first = 1024
    if os.geteuid() == 0 or first <= 80:
        return Finding("low ports", OK, "Listeners can have ports below 1024, as 80 and 443.")
    return Finding(
        "low ports",
        WARNING,
        f"Outside of `lbclient lab`, this user's listeners need ports from {first} on.",
        f"Use `lbclient lab`, higher ports, or: sudo sysctl {'.'.join(LOW_PORTS.parts[-3:])}=80",
    )


def _state(directory: Path) -> Finding:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding(
            "state",
            PROBLEM,
            f"{existing} cannot be written to.",
            "Give another directory: --state-directory <directory>",
        )
    if existing != directory:
        return Finding("state", OK, f"{directory} will be made by the first start.")
    clouds = directory / "clouds.yaml"
    login = f" OS_CLIENT_CONFIG_FILE={clouds} logs in." if clouds.exists() else ""
    return Finding("state", OK, f"{directory} can be written to.{login}")
