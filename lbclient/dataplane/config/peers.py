"""Translation of the peers that exchange stick tables: the workers of this host, and other hosts."""

from __future__ import annotations

from collections.abc import Sequence

from ...store.snapshot import Snapshot
from . import cfg
from .backends import PEERS, endpoint

PEER_SOCKET = "peers.sock"
OTHER_SOCKET = "peers-there.sock"
LOCAL_PEER = "local"  # the name of a host that shares its load balancer with no other
TEACHER = "teacher"  # the name under which the server tells a first worker that there is nothing to learn
ENTRANCE, EXIT = "peers-in", "peers-out"
CONNECT_SECONDS = 2
IDLE_SECONDS = 60  # peers send a heartbeat every three


def own_name(snapshot: Snapshot) -> str:
    """Return the name of this host among the peers."""
    own = snapshot.own_peer
    return own.name if own else LOCAL_PEER


def sections(snapshot: Snapshot, socket_options: Sequence[object]) -> tuple[cfg.Section, ...]:
    """Return the peers section, through which an old worker teaches its stick tables to the new one on a reload.

    The other host of the load balancer, if there is one, is a peer as well. A peers section can listen once, and does
    so on a Unix socket for the workers of this host: further sections take the connections of the other host to it, and
    its own ones out from the address that the other host expects.
    """
    own = snapshot.own_peer
    other = next((each for each in snapshot.peers if own and each != own), None)
    known = {own_name(snapshot): PEER_SOCKET, TEACHER: f"{TEACHER}.sock"}
    if other:
        known[other.name] = OTHER_SOCKET
    lines = (
        cfg.line("default-bind", *socket_options),  # unix-bind does not concern the sockets of peers
        *(cfg.line("peer", name, f"unix@{socket}") for name, socket in known.items()),
    )
    section = cfg.Section(("peers", PEERS), lines)
    if not own or not other:
        return (section,)
    only = ("v6only",) if ":" in own.address else ()
    elsewhere = ("reject", "if", "!{", "src", cfg.address(other.address), "}")
    there = (endpoint(other.address, other.port), "source", cfg.address(own.address))
    return (
        section,
        _entry(
            ENTRANCE,
            cfg.line("bind", endpoint(own.address, own.port), *only),
            cfg.line("tcp-request", "connection", *elsewhere),
        ),
        _way(ENTRANCE, f"unix@{PEER_SOCKET}"),
        _entry(EXIT, cfg.line("bind", f"unix@{OTHER_SOCKET}", *socket_options)),
        _way(EXIT, *there),
    )


def _entry(name: str, *lines: cfg.Line) -> cfg.Section:
    idle = cfg.line("timeout", "client", f"{IDLE_SECONDS}s")
    leads = cfg.line("default_backend", f"{name}-to")
    return cfg.Section(("frontend", name), (cfg.line("mode", "tcp"), *lines, idle, leads))


def _way(name: str, *server: object) -> cfg.Section:
    timeouts = {"connect": CONNECT_SECONDS, "server": IDLE_SECONDS}
    lines = (cfg.line("timeout", kind, f"{seconds}s") for kind, seconds in timeouts.items())
    return cfg.Section(("backend", f"{name}-to"), (cfg.line("mode", "tcp"), *lines, cfg.line("server", name, *server)))
