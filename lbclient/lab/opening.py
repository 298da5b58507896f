"""Opening of a lab for a command or for the demo."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import loopback, namespace
from .demo import play
from .environment import LabEnvironment, NotStarted
from .stage import Stage
from .webserver import GUIDE, move

if TYPE_CHECKING:
    from .site import Site

PRIVATE, PUBLIC = "10.0.0.0/16", "203.0.113.0/24"
GREETING = (
    "lbclient lab: openstack and lbclient talk to the server in here as user demo; `guide-servers &` starts the "
    "guide's web servers; `exit` ends it all."
)


GREETING_OF_HOSTS = """\
lbclient lab: host1 to {last} run the load balancers. openstack and lbclient talk
to the server in here as user demo; web servers answer at 10.0.0.4 to 10.0.0.7.
  openstack loadbalancer create --flavor active-standby --vip-subnet-id \\
      private-subnet --name web --wait      a load balancer on two hosts
  lbclient --os-cloud lbclient-admin host list
  power off host1, power on host1           a host dies, and comes back
  on-host host1 ip address show dev eth0    a command on a host
`exit` ends it all."""


class Manner(NamedTuple):
    """How a demo is played: whether it pauses, prints whole tables, and calls the openstack that is installed."""

    is_paused: bool = False
    is_full: bool = False
    is_genuine: bool = False


def open_lab(command: Sequence[str]) -> int:
    """Run a command, or a shell, in a new lab; return its exit status."""
    try:
        return namespace.run(lambda: _become(list(command)), (PRIVATE, PUBLIC))
    except namespace.Forbidden as reason:
        print(f"lbclient lab: {reason}", file=sys.stderr)
        return 1


def open_lab_with_hosts(count: int, command: Sequence[str]) -> int:
    """Run a command, or a shell, in a new lab with hosts; return its exit status."""
    return _with_hosts("lab", lambda: _become(list(command), count))


def open_failover(manner: Manner) -> int:
    """Play the demo of failovers in a new lab with three hosts; return the exit status."""
    return _with_hosts("demo", lambda: _play_failover(manner))


def _with_hosts(name: str, program: Callable[[], int]) -> int:
    from .site import missing

    what = missing()
    if what is not None:
        print(f"lbclient {name}: {what} is not installed; hosts need it.", file=sys.stderr)
        return 1
    try:
        return namespace.run(program, ())
    except namespace.Forbidden as reason:
        print(f"lbclient {name}: {reason}", file=sys.stderr)
        return 1


def open_demo(manner: Manner, *, wants_loopback: bool = False) -> int:
    """Play the demo in a new lab, or on loopback addresses if a lab is not possible; return the exit status."""
    if wants_loopback:
        return loopback.run(lambda directory: _play_on_loopback(directory, manner))
    reason = namespace.obstacle()
    if reason is None:
        return namespace.run(lambda: _play_in_lab(manner), (PRIVATE, PUBLIC))
    print(f"{reason}\n\nThis demo goes on without, with addresses out of 127.0.0.0/8 and ports above 1024.", flush=True)
    return loopback.run(lambda directory: _play_on_loopback(directory, manner))


def _become(command: list[str], hosts: int = 0) -> int:
    """Replace this process by a command, or a shell, in the lab."""
    environment = _start(_site(hosts) if hosts else _lab_environment())
    if environment is None:
        return 1
    if not command:
        command = [os.environ.get("SHELL") or "/bin/sh"]
        print(GREETING_OF_HOSTS.format(last=f"host{hosts}") if hosts else GREETING, file=sys.stderr, flush=True)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        print(f"lbclient lab: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126


def _play_in_lab(manner: Manner) -> int:
    environment = _start(_lab_environment(manner.is_genuine))
    if environment is None:
        return 1
    return play(Stage(environment, GUIDE, is_paused=manner.is_paused, is_full=manner.is_full))


def _play_on_loopback(directory: Path, manner: Manner) -> int:
    with loopback.reserved_networks() as place:
        return _play_at(place, directory, manner)


def _play_at(place: loopback.LoopbackNetworks, directory: Path, manner: Manner) -> int:
    private, public = f"{place.private}.0/18", f"{place.public}.0/24"
    world = LabEnvironment(directory, "loopback", private, public, loopback.free_port(), manner.is_genuine)
    environment = _start(world)
    if environment is None:
        return 1
    machines = {name: move(machine, place.translate) for name, machine in GUIDE.items()}
    stage = Stage(
        environment,
        machines,
        place.translate,
        may_edit_hosts=False,
        is_paused=manner.is_paused,
        is_full=manner.is_full,
    )
    stage.say_as_it_is(
        "Addresses out of 127.0.0.0/8 stand for the guide's, port 8080 for its port 80 and 8443 for 443."
    )
    return play(stage)


def _lab_environment(is_genuine: bool = True) -> LabEnvironment:
    directory = namespace.ROOM / "lbclient"
    directory.mkdir()
    return LabEnvironment(directory, "lab", PRIVATE, PUBLIC, is_genuine=is_genuine)


def _site(hosts: int, is_genuine: bool = True) -> Site:
    from .site import Site

    return Site(_lab_environment(is_genuine), hosts)


def _play_failover(manner: Manner) -> int:
    from . import failover

    site = _site(failover.HOSTS, manner.is_genuine)
    environment = _start(site)
    if environment is None:
        return 1
    return failover.play(Stage(environment, {}, is_paused=manner.is_paused, is_full=manner.is_full), site.hosts)


def _start(world: LabEnvironment | Site) -> dict[str, str] | None:
    try:
        return world.start(os.environ)
    except NotStarted as reason:
        print(reason, file=sys.stderr)
        return None
