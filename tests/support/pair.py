"""Two hosts on a bridge and a client, as network namespaces: for scripts that run in a namespace of their own."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lbclient.dataplane.haproxy.binary import find_haproxy
from lbclient.dataplane.haproxy.shared_addresses import prepare_kernel
from lbclient.dataplane.vrrp import keepalived
from lbclient.dataplane.vrrp.configuration import ADVERT_SECONDS, Group, render

# Root needs no user namespace, in which keepalived could not raise its priority.
USER = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
NAMESPACE = ["unshare", *USER, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
VIPS = {4: "10.0.1.1", 6: "fd00:1::1"}
NEW_NETWORK = 0x40000000  # CLONE_NEWNET
PATIENCE = 0.2  # seconds until a connection counts as not served
PAUSE = 0.01  # seconds between connections
SECONDS = 30.0


def needed() -> str:
    """Return the path of keepalived; skip the test, saying what is missing, if it cannot run here."""
    return played(keepalived.find(), "keepalived (Debian's package keepalived)")


def played(path: str | None, program: str) -> str:
    """Return the path of a program; skip the test, naming the program, if it cannot run in namespaces here."""
    if path is None:
        pytest.skip(f"{program} is not installed")
    namespaces_needed()
    return path


def namespaces_needed() -> None:
    """Skip the test, saying what is missing, if it cannot have network namespaces."""
    if shutil.which("ip") is None:
        pytest.skip("ip is not installed (Debian's package iproute2)")
    if subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespaces here")


def play(script: str, directory: Path) -> str:
    """Run a script in namespaces of its own, with `pair`, a Pair in the directory; return what it printed."""
    needed()
    begin = "import sys; from pathlib import Path; from pair import *; pair = Pair(Path(sys.argv[1]))\n"
    return run(begin + script, directory)


def run(script: str, directory: Path, seconds: float = 240) -> str:
    """Run a script in namespaces of its own, for that long at most; return what it printed.

    If it fails, the logs in the directory are shown.
    """
    support = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{support}:{support / 'dataplane'}"}
    command = [*NAMESPACE, sys.executable, "-c", script, str(directory)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment)
    logs = "".join(f"\n{path}\n{path.read_text()}" for path in sorted(directory.rglob("*.log")))
    assert result.returncode == 0, result.stderr + logs
    return result.stdout


def ip(line: str) -> str:
    return subprocess.run(["ip", *line.split()], check=True, capture_output=True, text=True).stdout


def wait(condition: Callable[[], object], what: str) -> None:
    """Wait until a function returns something true. Raises AssertionError, saying what it waited for."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Machine:
    """A network namespace with the interface eth0; the other end of its cable has the name of the machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._alive = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; read word"], stdin=-1, stdout=-1)
        assert self._alive.stdout is not None
        self._alive.stdout.readline()
        ip(f"link add {self.name} type veth peer name eth0 netns {self._alive.pid}")
        with self.inside():
            ip("link set lo up")
            ip("link set eth0 up")

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Enter the network namespace; processes and threads that are started meanwhile are in it."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net") as before, open(f"/proc/{self._alive.pid}/ns/net") as mine:
            assert libc.setns(mine.fileno(), NEW_NETWORK) == 0
            try:
                yield
            finally:
                assert libc.setns(before.fileno(), NEW_NETWORK) == 0


class Host(Machine):
    """A host: a machine with keepalived and an HAProxy that answers with the host's name."""

    def __init__(self, directory: Path, number: int) -> None:
        super().__init__(f"host{number}")
        self.directory = directory / self.name
        self.directory.mkdir()
        self.number = number
        self.keepalived = keepalived.Keepalived(keepalived.find() or "", self.directory)
        self.haproxy: subprocess.Popen[bytes] | None = None
        with self.inside():
            ip(f"addr add 10.0.0.1{number}/16 dev eth0")
            ip(f"addr add fd00::1{number}/16 dev eth0 nodad")
            prepare_kernel()
        self.join()

    def groups(self, others: tuple[str, ...] = ()) -> list[Group]:
        """Return the groups of the pair as this host has them: one for each IP version; others are IPv4's."""
        return [
            Group(
                "four",
                7,
                "eth0",
                f"10.0.0.1{self.number}",
                f"10.0.0.1{3 - self.number}",
                self.number == 1,
                VIPS[4],
                others,
            ),
            Group("six", 7, "eth0", f"fd00::1{self.number}", f"fd00::1{3 - self.number}", self.number == 1, VIPS[6]),
        ]

    def share(self, others: tuple[str, ...] = (), seconds: float = ADVERT_SECONDS) -> str:
        """Let keepalived share the addresses of the pair; return how it took effect."""
        text = render(self.name, self.groups(others), self.keepalived.tracked_file, seconds)
        with self.inside():
            return self.keepalived.apply(text)

    def serve(self) -> None:
        """Start HAProxy, on addresses that this host need not have."""
        path = self.directory / "haproxy.cfg"
        path.write_text(
            "defaults\n mode http\n timeout client 10s\n timeout server 10s\n timeout connect 2s\nfrontend web\n"
            f" bind {VIPS[4]}:80\n bind {VIPS[6]}:80\n"
            f" http-request return status 200 content-type text/plain string {self.name}\n"
        )
        with self.inside(), open(self.directory / "haproxy.log", "ab") as log:
            command = [find_haproxy(), "-db", "-f", str(path)]
            self.haproxy = subprocess.Popen(command, stdout=log, stderr=log)

    def join(self) -> None:
        """Connect the host to the bridge."""
        ip(f"link set {self.name} master bridge up")

    def leave(self) -> None:
        """Disconnect the host; its own link stays up, as behind a switch."""
        ip(f"link set {self.name} nomaster")

    def die(self) -> None:
        """Lose the network and every process at once."""
        self.leave()
        self.keepalived.kill()
        assert self.haproxy is not None
        self.haproxy.kill()
        self.haproxy.wait()

    def has(self, address: str) -> bool:
        with self.inside():
            return f" {address}/" in ip("addr show dev eth0")

    def takeovers(self) -> int:
        """Return how often this host has taken addresses."""
        return (self.directory / keepalived.LOG).read_text().count("Entering MASTER STATE")

    def last_words(self) -> str:
        """Return keepalived's log since it was started last."""
        return (self.directory / keepalived.LOG).read_text().rpartition("Starting Keepalived")[2]


class Pair:
    """The hosts, and a client in the namespace of the script itself, which has the bridge."""

    def __init__(self, directory: Path) -> None:
        ip("link set lo up")
        ip("link add bridge address 02:00:00:00:00:64 type bridge")  # else it has one of a port, and changes with them
        ip("link set bridge up")
        ip("addr add 10.0.0.100/16 dev bridge")
        ip("addr add fd00::100/16 dev bridge nodad")
        self.hosts = [Host(directory, number) for number in (1, 2)]

    def start(self, seconds: float = ADVERT_SECONDS) -> None:
        """Start everything, and wait until one host has all addresses and answers."""
        for host in self.hosts:
            host.serve()
            assert host.share(seconds=seconds) == "started"
        for version in VIPS:
            self.settle(version)

    def settle(self, version: int) -> Host:
        """Wait until exactly one host has the address, and it answers; return it."""
        found: list[Host] = []

        def is_settled() -> bool:
            found[:] = self._settled(version)
            return bool(found)

        wait(is_settled, f"IPv{version}: no host has the address alone and answers")
        return found[0]

    def _settled(self, version: int) -> list[Host]:
        """Return the one host that has the address and answers; else an empty list."""
        holders = [host for host in self.hosts if host.has(VIPS[version])]
        name = answer(VIPS[version])
        return holders if [host.name for host in holders] == [name] else []

    def other(self, host: Host) -> Host:
        return next(each for each in self.hosts if each is not host)


def answer(address: str) -> str | None:
    """Return the name of the host that answers at an address, over a new connection; None if none does in time."""
    connection = http.client.HTTPConnection(address, 80, timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Client(threading.Thread):
    """Opens a connection to an address every 10 ms, whether or not earlier ones are served, until it is stopped."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.seen: list[tuple[float, str | None]] = []  # when a connection was begun, and who answered
        self._stopped = threading.Event()

    def run(self) -> None:
        with ThreadPoolExecutor(64) as threads:
            while not self._stopped.wait(PAUSE):
                threads.submit(self._ask, time.monotonic())

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def gap(self) -> float:
        """Return the seconds from the first to the last connection that was not served within PATIENCE."""
        failed = sorted(begun for begun, name in self.seen if name is None)
        return failed[-1] - failed[0] + PAUSE if failed else 0.0

    def _ask(self, begun: float) -> None:
        self.seen.append((begun, answer(self.address)))
