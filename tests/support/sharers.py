"""A server, and agents that share addresses, in the namespaces of `pair`; for its scripts."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import moving
from agents import Hosts
from pair import PAUSE, Client, Host, Pair, ip, wait
from running import RunningServer, lbclient, processes_with, start_server

SERVER = "10.0.0.100"
AGENT = "agent"  # the state directory of a host's agent


class Sharers(Hosts):
    """The hosts of a pair and more, each with an agent of a server in the namespace that has the bridge."""

    addresses: tuple[str, ...] = ("--attachment=interface", "--interface=eth0=10.0.0.0/16")  # how agents attach them
    server_addresses: tuple[str, ...] = (
        "--attachment=interface",
        "--interface=bridge=10.0.0.0/16",
        "--private-cidr=10.0.1.0/24",
        "--public-cidr=10.0.2.0/24",
    )

    def __init__(self, pair: Pair, directory: Path) -> None:
        self.machines = {each.name: each for each in pair.hosts}
        self.running: dict[str, subprocess.Popen[str]] = {}
        super().__init__(directory, f"sqlite:///{directory}/database")
        for each in pair.hosts:
            self.enter(each)
            self.run(each)

    def start(self) -> RunningServer:
        return start_server(
            self.directory / "server",
            self.database,
            f"--agents={SERVER}:{self.port}",
            "--settle-wait=5",
            *self.server_addresses,
            f"--member-ranges={SERVER}/32",
        )

    def add(self, number: int) -> Host:
        """A further host with an agent."""
        made = Host(self.directory, number)
        self.machines[made.name] = made
        self.enter(made)
        self.run(made)
        return made

    def enter(self, machine: Host) -> None:
        """Enrol a host from its own namespace."""
        state = f"--state-directory={machine.directory / AGENT}"
        command = lbclient("agent", "enroll", f"{SERVER}:{self.port}", self.token(machine.name), state)
        with machine.inside():
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def run(self, machine: Host) -> None:
        """Run the agent of a host until it has registered."""
        options = [*self.addresses, f"--state-directory={machine.directory / AGENT}"]
        with machine.inside(), (machine.directory / "agent.log").open("a") as log:
            command = lbclient("agent", f"{SERVER}:{self.port}", *options)
            agent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        self.running[machine.name] = agent
        assert agent.stdout is not None
        assert agent.stdout.readline() == "lbclient agent is running\n"

    def end_agent(self, machine: Host) -> None:
        agent = self.running.pop(machine.name)
        agent.terminate()
        assert agent.wait(60) == 0

    def processes(self, machine: Host) -> list[int]:
        """The agent of a host and all that it has started."""
        return processes_with(str(machine.directory / AGENT))

    def die(self, machine: Host) -> None:
        """Let a host lose its network and every process at once."""
        machine.leave()
        for pid in self.processes(machine):
            os.kill(pid, signal.SIGKILL)
        self.running.pop(machine.name).wait()

    def come_back(self, machine: Host, address: str) -> None:
        """Start a host again, as after a reboot: without addresses that were not its own."""
        if machine.has(address):  # keepalived may have seen its parent die before it was killed, and taken it away
            with machine.inside():
                ip(f"addr del {address}/32 dev eth0")
        machine.join()
        self.run(machine)

    def holders(self, address: str) -> list[Host]:
        return [each for each in self.machines.values() if each.has(address)]

    def places(self, balancer: Any) -> list[str]:
        return [self.names[each["compute_id"]] for each in self.amphorae(balancer)]

    def balanced(self) -> Any:
        """A load balancer on two hosts with a listener, a pool and a member, once it serves."""
        balancer = self.balancer(flavor_id=self.pair_flavor())
        self.fill(balancer, moving.MEMBER, 80)
        wait(lambda: self.statuses(balancer)[0] == "ACTIVE", "the load balancer is not ACTIVE")
        return balancer

    def finish(self) -> None:
        for machine in self.machines.values():
            for pid in self.processes(machine):
                os.kill(pid, signal.SIGKILL)
        self.end()


class Visitors(moving.Clients):
    """Clients that ask again, on a new connection, where the server has closed one that was idle, as clients do."""

    def kinds(self) -> dict[str, Callable[[], None]]:
        return {"new": self._new, "kept": self._reused, "websocket": self._websocket, "upload": self._upload}

    def _reused(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._is_over.wait(moving.PAUSE):
            is_new = connection is None
            connection = connection or http.client.HTTPConnection(self.address, 80, timeout=moving.SECONDS)
            try:
                self._get(connection)
            except (http.client.RemoteDisconnected, ConnectionError):
                if is_new:
                    raise
                connection = None
                continue
            if connection.sock is None:
                connection = None


def gap(client: Client) -> float:
    """The seconds from the first to the last connection that was not served by the member in time."""
    failed = sorted(begun for begun, body in client.seen if body != "hello")
    return failed[-1] - failed[0] + PAUSE if failed else 0.0


def progress(visitors: Visitors, count: int = 200) -> None:
    """Wait until clients have been served that often, or one has failed."""
    before = visitors.count
    wait(lambda: visitors.failures or visitors.count > before + count, "no progress")
