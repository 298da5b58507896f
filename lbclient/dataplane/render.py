"""A snapshot as an HAProxy configuration. Pure: no I/O, no clock, no environment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..store.snapshot import Snapshot
from . import backends, cfg, frontends, support

FINGERPRINT = "description"  # HAProxy repeats it in `show info`: so it says itself what it has loaded
ADMIN_SOCKET = "admin.sock"
PEER_SOCKET = "peers.sock"
STATES = "states"
OLD_WORKERS_END = "1h"  # long downloads and WebSockets may finish; nothing holds memory for ever


@dataclass(frozen=True)
class Settings:
    """What a machine, rather than a user, decides."""

    most_connections: int = 50000


@dataclass(frozen=True)
class Configuration:
    """One load balancer's HAProxy: its file, and what is compared with a running one."""

    text: str
    fingerprint: str  # of all that cannot change without a reload
    binds: tuple[tuple[str, int], ...]
    servers: tuple[backends.Server, ...]

    @property
    def is_needed(self) -> bool:
        """Without a listener there is nothing to run."""
        return bool(self.binds)


def render(snapshot: Snapshot, settings: Settings | None = None) -> Configuration:
    """The configuration of a load balancer. Raises cfg.Refused for what HAProxy cannot carry."""
    reason = support.impossible(snapshot)
    if reason:
        raise cfg.Refused(reason)
    settings = settings or Settings()
    chosen = backends.backends(snapshot)
    distinct = list({backend.name: backend for backend in chosen.values()}.values())
    listeners = backends.enabled_listeners(snapshot)
    body = (
        *_tables(distinct),
        *(frontends.section(each, snapshot, chosen, settings.most_connections) for each in listeners),
        *(backends.section(each, snapshot) for each in distinct),
    )
    amphora_id = snapshot.loadbalancer.amphora_id
    fingerprint = _hash((*_preamble(amphora_id, "", settings), *body))
    return Configuration(
        text=cfg.text((*_preamble(amphora_id, fingerprint, settings), *body)),
        fingerprint=fingerprint,
        binds=tuple((address, each.protocol_port) for each in listeners for address in snapshot.addresses),
        servers=tuple(server for each in distinct for server in backends.servers(each, snapshot)),
    )


def _hash(sections: tuple[cfg.Section, ...]) -> str:
    return hashlib.sha256(cfg.text(sections, is_static=True).encode()).hexdigest()[:16]


def _preamble(amphora_id: str, fingerprint: str, settings: Settings) -> tuple[cfg.Section, ...]:
    """Paths are relative to the instance's directory: they may be long, and messages do not show them."""
    return (
        cfg.Section(
            ("global",),
            (
                cfg.line("node", amphora_id),  # another amphora is another worker: so a failover reloads
                cfg.line(FINGERPRINT, fingerprint),
                cfg.line("stats", "socket", f"unix@{ADMIN_SOCKET}", "mode", "600", "level", "admin"),
                cfg.line("server-state-file", STATES),
                cfg.line("localpeer", "local"),
                cfg.line("maxconn", settings.most_connections),
                cfg.line("nbthread", 1),
                cfg.line("hard-stop-after", OLD_WORKERS_END),
                # Workers hand their sockets on. With SO_REUSEPORT a stray HAProxy would silently share the traffic.
                cfg.line("noreuseport"),
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


def _tables(distinct: list[backends.Backend]) -> tuple[cfg.Section, ...]:
    """On a reload the old worker teaches the new one its stick tables, through a socket of their own."""
    if not any(backends.has_table(each) for each in distinct):
        return ()
    return (cfg.Section(("peers", backends.PEERS), (cfg.line("peer", "local", f"unix@{PEER_SOCKET}"),)),)
