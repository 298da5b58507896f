"""The hosts of a lab: machines made of namespaces, each with an agent, whose power is cut and switched on again."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from . import namespace, programs

if TYPE_CHECKING:
    from pyroute2 import IPRoute

BRIDGE = "bridge"
DEVICE = "eth0"  # of a host
NETWORKS = ("10.0.0.0/16", "203.0.113.0/24")  # that the addresses of load balancers are from
SERVER = "10.0.0.2"  # the address of the lab's server on the bridge
AGENTS_PORT = 9878
READY_SECONDS = 120.0
END_SECONDS = 20.0
TAIL = 2000  # characters of a log


class NotReady(Exception):
    """A host was not switched on, or its agent has not registered; the text says why."""


@dataclass(frozen=True)
class Host:
    """A host: its processes are those of a PID namespace, and its disk is a directory that outlives them."""

    lab: Path  # the directory of the lab
    number: int

    @property
    def name(self) -> str:
        return f"host{self.number}"

    @property
    def address(self) -> str:
        return f"10.0.0.{20 + self.number}"

    @property
    def public_address(self) -> str:
        """The host's own address in the network of floating IPs."""
        return f"203.0.113.{240 + self.number}"

    @property
    def disk(self) -> Path:
        """The agent's state directory."""
        return self.lab / self.name

    @property
    def log(self) -> Path:
        """The agent's log."""
        return self.lab / f"{self.name}.log"

    @property
    def _pidfile(self) -> Path:
        return self.lab / f"{self.name}.pid"

    def pid(self) -> int | None:
        """Return the ID of the process that all others of the host end with; None if the host is off."""
        try:
            pid = int(self._pidfile.read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid

    def has(self, address: str) -> bool:
        """Return whether the host is on and has an address for all to see."""
        pid = self.pid()
        if pid is None:
            return False
        command = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-oneline", "address", "show", "dev", DEVICE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return f" {address}/" in done.stdout

    def switch_on(self) -> IO[bytes]:
        """Boot the host and return a pipe: it has a line once the agent has registered. Raises NotReady."""
        readable, writable = os.pipe()
        plug, socket = os.pipe()

        def run() -> None:
            for each in (readable, socket):
                os.close(each)
            os.read(plug, 1)  # until the host is connected
            self._run(writable)

        try:
            pid = namespace.start_machine(run)
        except OSError as error:
            raise NotReady(f"{self.name}: {error}") from error
        finally:
            os.close(writable)
            os.close(plug)
        self._pidfile.write_text(str(pid))
        self._connect(pid)
        os.close(socket)
        return open(readable, "rb", buffering=0)

    def await_agent(self, pipe: IO[bytes]) -> None:
        """Wait for the line of switch_on(). Raises NotReady."""
        with pipe:
            is_heard = select.select([pipe], [], [], READY_SECONDS)[0]
            if not is_heard or not pipe.readline():
                log = self.log.read_text()[-TAIL:].strip() if self.log.exists() else ""
                raise NotReady(f"{self.name}: its agent has not registered.\n{log}".strip())

    def switch_off(self) -> None:
        """Cut the host's link and kill each of its processes, in a moment, as by its plug. Raises NotReady."""
        from pyroute2 import IPRoute

        pid = self.pid()
        with IPRoute() as kernel:
            for index in kernel.link_lookup(ifname=self.name):
                kernel.link("set", index=index, master=0)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                self._await_end()
            self._unplug(kernel)
        self._pidfile.unlink(missing_ok=True)

    def _unplug(self, kernel: IPRoute) -> None:
        """Remove the cable, which goes by itself some time after the host."""
        from pyroute2 import NetlinkError

        for index in kernel.link_lookup(ifname=self.name):
            try:
                kernel.link("del", index=index)
            except NetlinkError as error:
                if error.code != errno.ENODEV:
                    raise

    def _await_end(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        while self.pid() is not None:
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name}: its processes have not ended after {END_SECONDS:g} seconds.")
            time.sleep(0.01)

    def _connect(self, pid: int) -> None:
        """Put a cable between the bridge and the host whose process 1 this is."""
        from pyroute2 import IPRoute

        with IPRoute() as kernel:
            self._unplug(kernel)
            [bridge] = kernel.link_lookup(ifname=BRIDGE)
            kernel.link("add", ifname=self.name, kind="veth", peer={"ifname": DEVICE, "net_ns_pid": pid})
            [index] = kernel.link_lookup(ifname=self.name)
            kernel.link("set", index=index, master=bridge, state="up")

    def _run(self, ready: int) -> None:
        """Set up the network and start the agent, as process 1 of the host; then write a line to the pipe."""
        with self.log.open("ab", buffering=0) as log:
            os.dup2(log.fileno(), 2)
            self._address()
            command = programs.command("lbclient.cli.shell", "agent", *self._options())
            agent = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        assert agent.stdout is not None
        os.write(ready, agent.stdout.readline())
        os.close(ready)

    def _address(self) -> None:
        from pyroute2 import IPRoute

        with IPRoute() as kernel:
            for name in ("lo", DEVICE):
                kernel.link("set", index=kernel.link_lookup(ifname=name)[0], state="up")
            [index] = kernel.link_lookup(ifname=DEVICE)
            kernel.addr("add", index=index, address=self.address, prefixlen=16)
            kernel.addr("add", index=index, address=self.public_address, prefixlen=24)

    def _options(self) -> Sequence[str]:
        interfaces = ",".join(f"{DEVICE}={network}" for network in NETWORKS)
        place = f"{SERVER}:{AGENTS_PORT}"
        return (place, "--attachment=interface", f"--interface={interfaces}", f"--state-directory={self.disk}")


def hosts(lab: Path) -> list[Host]:
    """Return the hosts of a lab, on or off."""
    return sorted((Host(lab, int(path.name.removeprefix("host"))) for path in lab.glob("host?")), key=_number)


def _number(host: Host) -> int:
    return host.number


def main(arguments: Sequence[str] | None = None) -> int:
    """Show which hosts are on, or switch one of them; return the exit status."""
    lab = Path(os.environ["LBCLIENT_LAB"])
    names = [each.name for each in hosts(lab)]
    parser = argparse.ArgumentParser(
        prog="power",
        usage="power [on|off HOST]",
        description="Cut the power of a host, switch it on again and wait until its agent has registered, or say which "
        "hosts are on.",
    )
    parser.add_argument("what", nargs="?", choices=("on", "off"))
    parser.add_argument("host", nargs="?", choices=names, metavar="HOST", help=", ".join(names))
    options = parser.parse_args(arguments)
    if options.what is None:
        lines = [f"{each.name}  {'off' if each.pid() is None else 'on'}\n" for each in hosts(lab)]
        sys.stdout.write("".join(lines))  # in one piece: a reader may end after the line that it looks for
        return 0
    if options.host is None:
        parser.error(f"of which host? Choose from {', '.join(names)}.")
    try:
        return _switch(hosts(lab)[names.index(options.host)], options.what == "on")
    except NotReady as reason:
        print(f"power: {reason}", file=sys.stderr)
        return 1


def _switch(host: Host, is_on: bool) -> int:
    if not is_on:
        host.switch_off()
    elif host.pid() is None:
        host.await_agent(host.switch_on())
    return 0
