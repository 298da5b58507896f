"""A snapshot as an HAProxy configuration. Pure: no I/O, no clock, no environment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from ...store.snapshot import Snapshot
from ..relay.plan import Plan
from . import backends, cfg, descriptors, frontends, tls, udp, unsupported

FINGERPRINT = "description"  # HAProxy repeats it in `show info`: so it says itself what it has loaded
FINGERPRINTS = "-"  # between that of the configuration and that of its files
ADMIN_SOCKET = "admin.sock"
SOCKET_OPTIONS = ("mode", "600", "level", "admin", "expose-fd", "listeners")
PEER_SOCKET = "peers.sock"
LOCAL_PEER = "local"
TEACHER = "teacher"  # the peer that tells a first worker that there is nothing to learn: we are, and only for a moment
STATES = "states"
TLS_SESSIONS = 2000  # for clients without tickets; HAProxy's 20,000 are 4.4 MB in every process
OLD_WORKERS_END = "1h"  # long downloads and WebSockets may finish; nothing holds memory for ever


@dataclass(frozen=True)
class Settings:
    """What a machine, rather than a user, decides."""

    most_connections: int = 50000
    most_files: float = inf  # that a process may have open
    most_flows: int = 20000  # of UDP; each takes a port of the machine's own, of which Linux gives out 28,000


@dataclass(frozen=True)
class Configuration:
    """One load balancer's HAProxy: its file, and what is compared with a running one."""

    text: str
    fingerprint: str  # of all that cannot change without a reload
    binds: tuple[tuple[str, int], ...]
    servers: tuple[backends.Server, ...]
    files: tuple[tls.File, ...] = ()
    generation: str = ""  # of the files; a running HAProxy can be told new ones for the same places
    relay: Plan = field(default_factory=Plan)  # what HAProxy cannot do

    @property
    def is_proxied(self) -> bool:
        """Whether HAProxy listens to anything."""
        return bool(self.binds)

    @property
    def is_needed(self) -> bool:
        """Without a listener there is nothing to run."""
        return self.is_proxied or self.relay.is_needed


def render(snapshot: Snapshot, settings: Settings | None = None) -> Configuration:
    """The configuration of a load balancer. Raises cfg.Refused for what HAProxy cannot carry."""
    reason = unsupported.impossible(snapshot)
    if reason:
        raise cfg.Refused(reason)
    settings = settings or Settings()
    relay = udp.plan(snapshot, settings.most_flows)
    snapshot = udp.without(snapshot)
    chosen = backends.backends(snapshot)
    distinct = list({backend.name: backend for backend in chosen.values()}.values())
    listeners = backends.enabled_listeners(snapshot)
    binds = tuple((address, each.protocol_port) for each in listeners for address in snapshot.addresses)
    servers = tuple(server for each in distinct for server in backends.servers(each, snapshot))
    settings = replace(
        settings,
        most_connections=descriptors.connections(settings.most_connections, settings.most_files, len(binds), servers),
    )
    body = (
        *_tables(distinct),
        *(frontends.section(each, snapshot, chosen, settings.most_connections) for each in listeners),
        *(backends.section(each, snapshot) for each in distinct),
        *frontends.metrics(listeners),
    )
    in_use = [each.pool for each in distinct if each.is_first and each.pool.admin_state_up]
    files = tls.files(snapshot, listeners, in_use)
    generation = tls.generation(files)
    amphora_id = snapshot.loadbalancer.amphora_id
    fingerprint = _hash((*_preamble(amphora_id, "", generation, settings), *body), [each.name for each in files])
    label = FINGERPRINTS.join(filter(None, (fingerprint, generation)))
    return Configuration(
        text=cfg.text((*_preamble(amphora_id, label, generation, settings), *body)),
        fingerprint=fingerprint,
        binds=binds,
        servers=servers,
        files=files,
        generation=generation,
        relay=relay,
    )


def _hash(sections: tuple[cfg.Section, ...], files: Sequence[str]) -> str:
    return hashlib.sha256("\n".join((cfg.text(sections, is_static=True), *files)).encode()).hexdigest()[:16]


def _preamble(amphora_id: str, label: str, generation: str, settings: Settings) -> tuple[cfg.Section, ...]:
    """Paths are relative to the instance's directory: they may be long, and messages do not show them."""
    return (
        cfg.Section(
            ("global",),
            (
                cfg.line("node", amphora_id),  # another amphora is another worker: so a failover reloads
                cfg.line(FINGERPRINT, label),
                # A reload takes over what is listened on; before 2.6 only where that is said.
                cfg.line("stats", "socket", f"unix@{ADMIN_SOCKET}", *SOCKET_OPTIONS),
                cfg.line("server-state-file", STATES),
                cfg.line("localpeer", LOCAL_PEER),
                cfg.line("maxconn", settings.most_connections),
                cfg.line("nbthread", 1),
                cfg.line("hard-stop-after", OLD_WORKERS_END),
                # Workers hand their sockets on. With SO_REUSEPORT a stray HAProxy would silently share the traffic.
                cfg.line("noreuseport"),
                *_tls(generation),
            ),
        ),
        cfg.Section(
            ("defaults",),
            (
                cfg.line("load-server-state-from-file", "global"),
                cfg.line("option", "contstats"),  # long connections are counted as they go
                cfg.line("retries", 3),
                cfg.line("option", "redispatch"),
                # A reload does not cut idle connections, on which a client may just be sending its next request.
                cfg.line("option", "idle-close-on-response"),
            ),
        ),
    )


def _tls(generation: str) -> Iterator[cfg.Line]:
    if generation:
        yield cfg.line("tune.ssl.cachesize", TLS_SESSIONS)
        for kind in ("crt-base", "ca-base"):
            yield cfg.line(kind, dynamic=(f"{tls.DIRECTORY}{generation}",))


def _tables(distinct: list[backends.Backend]) -> tuple[cfg.Section, ...]:
    """On a reload the old worker teaches the new one its stick tables, through a socket of their own."""
    if not any(backends.has_table(each) for each in distinct):
        return ()
    known = {LOCAL_PEER: PEER_SOCKET, TEACHER: f"{TEACHER}.sock"}
    lines = tuple(cfg.line("peer", name, f"unix@{socket}") for name, socket in known.items())
    return (cfg.Section(("peers", backends.PEERS), lines),)
