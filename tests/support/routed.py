"""Hosts that announce addresses to a router by BIRD, and a client behind it, as network namespaces; for scripts."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import moving
import pair
from agents import Hosts
from lbclient.dataplane.haproxy import announced
from lbclient.dataplane.haproxy.binary import find_haproxy
from pair import Host, Machine, Pair, ip, wait
from running import RunningServer, processes_with, start_server
from sharers import Sharers

CONTRIB = Path(__file__).parents[2] / "contrib" / "bird"
VIPS = {4: "198.51.100.0/24", 6: "2001:db8:1::/64"}
ROUTER = {4: "10.0.0.100", 6: "fd00::100"}
SERVED = ("--attachment=anyip", "--private-cidr=198.51.100.0/24", "--public-cidr=203.0.113.0/24")
SECONDS = 5.0  # until a connection is given up
PLAY_SECONDS = 480.0


def needed() -> str:
    """Return the path of BIRD; skip the test, saying what is missing, if it cannot run here."""
    return pair.played(announced.find(), "BIRD (Debian's package bird2)")


def play(script: str, directory: Path) -> str:
    """Run a script in namespaces of its own, with `routed`, a Routed in the directory; return what it printed."""
    needed()
    begin = "import sys; from pathlib import Path; from routed import *; routed = Routed(Path(sys.argv[1]))\n"
    return pair.run(begin + script, directory, PLAY_SECONDS)


class Bird:
    """A BIRD with a configuration of contrib, but for its addresses, which are those here."""

    def __init__(self, directory: Path, name: str, own: dict[int, str]) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self._configuration = directory / "bird.conf"
        self._configuration.write_text(configured(name, own))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, machine: Machine | None = None) -> None:
        """Start it in the namespace of a machine, or of the script."""
        if machine is not None:
            with machine.inside():
                return self.start()
        files = ["-s", str(self.directory / "bird.ctl"), "-P", str(self.directory / "bird.pid")]
        with (self.directory / "bird.log").open("ab") as log:
            command = [needed(), "-f", "-c", str(self._configuration), *files]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


def configured(name: str, own: dict[int, str]) -> str:
    """Return a configuration of contrib with the addresses of this machine and of the router here."""
    text = (CONTRIB / name).read_text()
    changes = {
        "log syslog all": "log stderr all",
        "192.0.2.0/24": "10.0.0.0/16",
        "2001:db8::/64": "fd00::/16",
        "router id 192.0.2.11": f"router id {own[4]}",
        "local 192.0.2.11;": f"local {own[4]};",
        "local 2001:db8::11;": f"local {own[6]};",
        "192.0.2.1": ROUTER[4],
        "2001:db8::1 ": f"{ROUTER[6]} ",
        "2001:db8::1;": f"{ROUTER[6]};",
    }
    for before, after in changes.items():
        text = text.replace(before, after)
    return text


class Routed(Pair):
    """The hosts of a pair; the script's namespace is their router, and `client` is behind it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            Path(f"/proc/sys/net/{name}").write_text("1")
        self.client = Machine("client")
        ip("link set client up")
        ip("addr add 192.0.2.1/24 dev client")
        ip("addr add 2001:db8:2::1/64 dev client nodad")
        with self.client.inside():
            ip("addr add 192.0.2.2/24 dev eth0")
            ip("addr add 2001:db8:2::2/64 dev eth0 nodad")
            route("192.0.2.1", "2001:db8:2::1")
        self.router = Bird(directory / "router", "router.conf", ROUTER)
        self.router.start()
        self.birds = {}
        for host in self.hosts:
            with host.inside():
                route(*ROUTER.values())
            own = {4: f"10.0.0.1{host.number}", 6: f"fd00::1{host.number}"}
            self.birds[host.name] = Bird(host.directory / "bird", "host.conf", own)
            self.birds[host.name].start(host)

    def hops(self, address: str) -> list[str]:
        """Return the names of the hosts to which the router sends packets for an address."""
        said = ip(f"{'-6' if ':' in address else '-4'} route show {address}").split()
        hops = [said[place + 1] for place, word in enumerate(said) if word == "via"]
        return sorted(f"host{each[-1]}" for each in hops)

    def answer(self, address: str, path: str = "/") -> str | None:
        """Return what the client gets from an address; None if nothing answers."""
        with self.client.inside():
            connection = http.client.HTTPConnection(address, 80, timeout=SECONDS)
            try:
                connection.request("GET", path)
                return connection.getresponse().read().decode()
            except (OSError, http.client.HTTPException):
                return None
            finally:
                connection.close()

    def until_routed(self, address: str, *hosts: Host) -> float:
        """Wait until the router sends packets for an address to exactly these hosts; return after how many seconds."""
        begun = time.monotonic()
        wanted = [each.name for each in hosts]
        wait(lambda: self.hops(address) == wanted, f"{address}: not routed to {wanted}")
        return time.monotonic() - begun


def route(four: str, six: str) -> None:
    ip(f"route add default via {four}")
    ip(f"-6 route add default via {six}")


class Announcers(Sharers):
    """The hosts, each with an agent that announces its addresses, of a server in the namespace of the router."""

    addresses = ("--attachment=anyip", "--announce=bgp")
    server_addresses = SERVED


class Lone(Hosts):
    """A server on a host, without agents, that announces its addresses; its HAProxy cannot start while `broken` is."""

    server_addresses = (*SERVED, "--announce=bgp")

    def __init__(self, machine: Machine, directory: Path) -> None:
        self.machine = machine
        self.broken = directory / "broken"
        self.haproxy = directory / "haproxy"
        self.haproxy.write_text(f'#!/bin/sh\n[ ! -e {self.broken} ] || exit 1\nexec {find_haproxy()} "$@"\n')
        self.haproxy.chmod(0o755)
        with machine.inside():
            super().__init__(directory, f"sqlite:///{directory}/database")

    def start(self) -> RunningServer:
        options = (*self.server_addresses, f"--haproxy={self.haproxy}", "--settle-wait=5", self.database)
        with self.machine.inside():
            return start_server(self.directory / "server", *options)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        with self.machine.inside():
            return super().ask(method, path, body)

    def restart(self, *server_addresses: str) -> None:
        """Restart the server with other options for addresses; HAProxy runs on meanwhile."""
        self.server.process.terminate()
        self.server.process.communicate(timeout=60)
        self.server_addresses = server_addresses
        self.server = self.start()

    def kill_haproxy(self) -> None:
        for pid in processes_with(str(self.directory / "server" / "haproxy")):
            os.kill(pid, signal.SIGKILL)


def served(hosts: Hosts) -> tuple[Any, list[str]]:
    """Return a load balancer with a member, and its VIPs, one of each IP version."""
    [subnet] = hosts.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
    six = {"network_id": subnet["network_id"], "cidr": VIPS[6], "ip_version": 6}
    subnet_id = hosts.ask("POST", "/networking/v2.0/subnets", {"subnet": six})["subnet"]["id"]
    balancer = hosts.balancer(additional_vips=[{"subnet_id": subnet_id}])
    hosts.fill(balancer, moving.MEMBER, 80)
    wait(lambda: hosts.statuses(balancer)[0] == "ACTIVE", "the load balancer is not ACTIVE")
    return balancer, [balancer["vip_address"], balancer["additional_vips"][0]["ip_address"]]
