"""The demo of failovers: a host's death, its return and a planned move, as a client sees them."""

from __future__ import annotations

import http.client
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..dataplane.vrrp.keepalived import LOG
from .power import Host
from .probe import Measured, Probe
from .stage import Failed, Stage
from .webserver import GUIDE

HOSTS = 3
MEMBERS = [GUIDE[name].address for name in ("server-1", "server-2")]
WIDTH = 79
PATIENCE = 120.0  # seconds to wait for a condition
POLL = 0.1
TAKEN = "Entering MASTER STATE"
STANDS_BY = "Entering BACKUP STATE"
START = "Starting Keepalived"

NEXT = """\
Everything has ended with this demo. To play with hosts yourself, type:

  lbclient lab --hosts 3
"""


def play(stage: Stage, hosts: Sequence[Host]) -> int:
    """Play it up to the first failed check; return the exit status."""
    begin = time.monotonic()
    try:
        Failover(stage, hosts).play()
    except Failed as failure:
        stage.fail(str(failure))
        return 1
    seconds = time.monotonic() - begin
    stage.say_as_it_is(f"{stage.commands} commands, {stage.checks} checks, {seconds:.1f} seconds.")
    stage.say_as_it_is(NEXT.rstrip())
    return 0


class Failover:
    """The play, with its hosts and the load balancer's address."""

    def __init__(self, stage: Stage, hosts: Sequence[Host]) -> None:
        self._stage = stage
        self._hosts = {each.name: each for each in hosts}

    def play(self) -> None:
        """Play all of it. Raises Failed."""
        self._introduce()
        self._create()
        dead = self._die()
        self._return(dead)
        self._move()

    def _introduce(self) -> None:
        self._stage.heading("Three hosts")
        self._say(
            "This lab is a small network of four machines. On one of them are the API, the web servers, and the "
            "client that measures; these commands are typed there, by an administrator. host1, host2 and host3 run "
            "the load balancers: each is a network namespace with an agent, HAProxy and keepalived."
        )
        self._run("export OS_CLOUD=lbclient-admin")
        self._run("lbclient host list -c name -c state -c heard -c weight")

    def _create(self) -> None:
        self._stage.heading("A load balancer on two of them")
        self._say("The flavor says that a load balancer is on two hosts.")
        lines = (
            "openstack loadbalancer flavor list -c name",
            "openstack loadbalancer create --name web --flavor active-standby \\\n"
            "    --vip-subnet-id private-subnet --wait",
            "openstack loadbalancer listener create --name http --wait \\\n    --protocol HTTP --protocol-port 80 web",
            "openstack loadbalancer pool create --name shop --wait \\\n"
            "    --protocol HTTP --lb-algorithm ROUND_ROBIN --listener http",
            *(
                f"openstack loadbalancer member create --wait \\\n    --address {member} --protocol-port 80 shop"
                for member in MEMBERS
            ),
        )
        for line in lines:
            self._stage.run(line, is_brief=True)
        self._run("export VIP=$(openstack loadbalancer show web -f value -c vip_address)")
        self._await("one host has the address", lambda: self._holder() is not None)
        self._say(
            f"The address {self._vip} is ready on two hosts, and keepalived has given it to one of them, "
            f"{self._name_of_holder()}. The other one stands by."
        )
        self._list_amphorae()
        self._run(f"on-host {self._name_of_holder()} ip -4 -brief address show dev eth0")
        self._stage.fetch("http://$VIP/")

    def _die(self) -> Host:
        """Let the holder of the address die, and return it."""
        holder = self._hosts[self._name_of_holder()]
        self._stage.heading("A host dies")
        self._say(
            f"A client opens a connection to http://{self._vip}/ each 10 ms from now on. Meanwhile {holder.name}, "
            "which has the address, loses its power."
        )
        with self._probing() as probe:
            self._run(f"power off {holder.name}")
            self._await("another host has the address", self._has_other_holder(holder.name))
        measured = probe.stop()
        self._say(
            f"{self._name_of_holder()} has heard nothing of {holder.name} for three adverts of 0.2 seconds, and has "
            f"taken the address. {_sentence(measured)} Connections that were open to {holder.name} are lost."
        )
        self._stage.check("most requests were answered", True, measured.failed < len(measured.requests) / 2)
        self._say(f"The API takes no part in this. After ten seconds without {holder.name}, it says so.")
        self._until(f"lbclient host show {holder.name} -f value -c heard", "False")
        return holder

    def _return(self, dead: Host) -> None:
        """Let a dead host come back."""
        name = dead.name
        self._stage.heading("It comes back")
        self._say(f"{name} boots. It stands by from now on, and takes nothing away.")
        takeovers = self._takeovers()
        with self._probing() as probe:
            self._run(f"power on {name}")
            self._until(f"lbclient host show {name} -f value -c heard", "True")
            self._await(f"{name} stands by", lambda: STANDS_BY in self._log(dead).rpartition(START)[2])
            self._until("openstack loadbalancer show web -f value -c operating_status", "ONLINE")
        self._judge(probe.stop(), self._takeovers() - takeovers)

    def _move(self) -> None:
        """Drain the holder while the client is served, and a slow answer is under way."""
        holder = self._name_of_holder()
        self._stage.heading("A planned move")
        self._say(
            f"{holder} is to be repaired: its load balancers leave it. The address goes to the other host, and a third "
            "one takes the place of the one that leaves. A slow answer begins before the move, and ends after it."
        )
        takeovers = self._takeovers()
        with self._probing() as probe, self._stage.open("http://$VIP/slow") as answer:
            first = answer.readline().decode().strip()
            self._stage.say_as_it_is(f"GET http://{self._vip}/slow has begun, and goes on: {first!r}")
            self._run(f"lbclient host drain {holder}")
            self._await("another host has the address", self._has_other_holder(holder))
            self._until(f"lbclient host show {holder} -f value -c loadbalancer_count", "0")
            for member in MEMBERS:
                self._stage.fetch(f"http://{member}/finish")
            end = _end(answer)
        self._judge(probe.stop(), self._takeovers() - takeovers - 1, end)
        self._list_amphorae()
        self._say(f"Once it is repaired, {holder} takes load balancers again.")
        self._run(f"lbclient host undrain {holder}")
        self._run("lbclient host list -c name -c state -c heard -c loadbalancer_count")

    def _judge(self, measured: Measured, spurious: int, end: str = "") -> None:
        """Say what a client has noticed; no request may have failed, unless addresses moved without a plan.

        `end` is the last line of a slow answer, if there was one.
        """
        self._say(_sentence(measured))
        if spurious > 0:
            self._say(
                "This machine is too busy: a host has not heard the other for 0.6 seconds though it was alive, and has "
                "taken the address. That cuts connections."
            )
            return
        self._stage.check("no request failed", 0, measured.failed)
        if end:
            self._stage.check(f"the slow answer came to its end: {end!r}", True, end.startswith("Server :"))

    @contextmanager
    def _probing(self) -> Iterator[Probe]:
        """Run a client while something happens, which begins and ends with requests that were answered."""
        probe = Probe(self._vip)
        probe.start()
        try:
            self._await_service(probe)
            yield probe
            self._await_service(probe)
        finally:
            probe.stop()

    @property
    def _vip(self) -> str:
        return self._stage.environment["VIP"]

    def _holder(self) -> Host | None:
        """Return the only host that has the address; None if none or several have it."""
        found = [each for each in self._hosts.values() if each.has(self._vip)]
        return found[0] if len(found) == 1 else None

    def _name_of_holder(self) -> str:
        holder = self._holder()
        return holder.name if holder else "none"

    def _has_other_holder(self, name: str) -> Callable[[], bool]:
        return lambda: self._name_of_holder() not in (name, "none")

    def _takeovers(self) -> int:
        """Return how often hosts have taken addresses since the beginning."""
        return sum(self._log(each).count(TAKEN) for each in self._hosts.values())

    @staticmethod
    def _log(host: Host) -> str:
        path = host.disk / "shared-addresses" / LOG
        return path.read_text(errors="replace") if path.exists() else ""

    def _list_amphorae(self) -> None:
        self._run("openstack loadbalancer amphora list --loadbalancer web \\\n    -c lb_network_ip -c ha_ip -c status")

    def _say(self, text: str) -> None:
        self._stage.say_as_it_is(textwrap.fill(text, WIDTH))

    def _run(self, line: str) -> None:
        self._stage.run(line)
        self._stage.pause()

    def _until(self, line: str, word: str) -> None:
        output = self._stage.run(line, lambda output: word in output.split(), PATIENCE)
        self._stage.check(f"it says {word}", True, word in output.split())
        self._stage.pause()

    def _await_service(self, probe: Probe) -> None:
        since = time.monotonic()
        self._await("the client is served", lambda: probe.has_served(since))

    def _await(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for a condition. Raises Failed, saying what it waited for."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise Failed(what, "true", f"false for {PATIENCE:g} seconds")
            time.sleep(POLL)


def _end(answer: http.client.HTTPResponse) -> str:
    """Return the last line of an answer, or why it was cut off."""
    try:
        return answer.read().decode().splitlines()[-1]
    except (OSError, http.client.HTTPException) as error:
        return repr(error)


def _sentence(measured: Measured) -> str:
    """Return what a client has noticed."""
    count = len(measured.requests)
    if not measured.late and not measured.failed:
        return f"The client noticed nothing: each of its {count} requests was answered within 0.2 seconds."
    late = f"{measured.late} of {count} requests were answered later than that, and {measured.failed} not at all."
    return f"For {measured.gap:.2f} seconds, no new request was answered within 0.2 seconds: {late}"
