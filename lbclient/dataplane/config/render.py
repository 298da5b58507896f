"""Rendering of a snapshot as an HAProxy configuration. Pure: no I/O, no clock, no environment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from ...store.snapshot import Shaping, Snapshot
from ..relay.plan import Plan
from . import backends, cfg, descriptors, frontends, peers, shaping, tls, traffic, udp, unsupported
from .backends import Rendered, Server

FINGERPRINT = "description"  # the keyword for the label, which HAProxy repeats in `show info`: it shows what is loaded
FINGERPRINTS = "-"  # separates the fingerprint of the configuration from the generation of its files
ADMIN_SOCKET = "admin.sock"
SOCKET_OPTIONS = ("mode", "600", "level", "admin", "expose-fd", "listeners")
STATES = "states"
TLS_SESSIONS = 2000  # cached for clients without tickets; HAProxy's default of 20,000 takes 4.4 MB in each process
OLD_WORKERS_END = "1h"  # long downloads and WebSockets may finish, but no old worker holds memory forever


@dataclass(frozen=True)
class Settings:
    """Limits of the machine, which do not come from the snapshot."""

    most_connections: int = 50000
    most_files: float = inf  # that a process may have open
    most_flows: int = 20000  # UDP flows; each takes an ephemeral port, of which Linux has about 28,000
    user: tuple[int, int] | None = None  # UID and GID that workers become; None if they keep those of the server


@dataclass(frozen=True)
class Configuration:
    """The configuration of one load balancer: HAProxy's file, and values to compare with a running HAProxy."""

    text: str
    fingerprint: str  # of all parts that cannot change without a reload
    binds: tuple[tuple[str, int], ...]
    backends: Mapping[str, Rendered]  # by name
    files: tuple[tls.File, ...] = ()
    generation: str = ""  # of the files; new contents for the same names can be given to a running HAProxy
    maps: tuple[cfg.Map, ...] = ()
    relay: Plan = field(default_factory=Plan)  # for UDP and metrics, which HAProxy cannot serve
    parts: tuple[str, ...] = ()  # the sections, as far as they cannot change without a reload

    @property
    def servers(self) -> list[Server]:
        return [server for each in self.backends.values() for server in each.servers.values()]

    @property
    def is_proxied(self) -> bool:
        """Whether HAProxy has any listener."""
        return bool(self.binds)

    @property
    def is_needed(self) -> bool:
        """Whether HAProxy or the relay has to run."""
        return self.is_proxied or self.relay.is_needed

    def difference(self, before: Configuration) -> str | None:
        """Return the first section and line that differ from those of another configuration, which takes a reload."""
        known = {part.partition("\n")[0]: part.splitlines() for part in before.parts}
        for part in self.parts:
            name, *lines = part.splitlines()
            if name not in known:
                return f"{name} is new"
            new = next((each for each in lines if each not in known[name]), None)
            old = next((each for each in known.pop(name)[1:] if each not in lines), None)
            if new or old:
                return f"{name}: {new.strip()}" if new else f"{name}: no longer {(old or '').strip()}"
        return f"{next(iter(known))} is gone" if known else None


def render(
    snapshot: Snapshot, settings: Settings | None = None, previous: Configuration | None = None
) -> Configuration:
    """Return the configuration of a load balancer. Raises cfg.Refused if it is not supported.

    With the previous configuration, only the servers of members that are other objects than before are rendered.
    """
    reason = unsupported.impossible(snapshot)
    if reason:
        raise cfg.Refused(reason)
    settings = settings or Settings()
    relay = udp.plan(snapshot, settings.most_flows)
    snapshot = udp.without(snapshot)
    chosen = backends.backends(snapshot)
    distinct = list({backend.name: backend for backend in chosen.values()}.values())
    listeners = backends.enabled_listeners(snapshot)
    binds = tuple((address, each.protocol_port) for each in listeners for address in snapshot.bound(each))
    made = _rendered(distinct, snapshot, previous)
    settings = _limited(settings, len(binds), made)
    body = (
        *traffic.ring(listeners, snapshot),
        *(peers.sections(snapshot, _shared(settings.user)) if any(map(backends.has_table, distinct)) else ()),
        *shaping.table(snapshot.shaping if any(map(frontends.is_http, listeners)) else Shaping()),
        *(frontends.section(each, snapshot, chosen, settings.most_connections) for each in listeners),
        *(backends.section(each, snapshot, made[each.name]) for each in distinct),
        *frontends.metrics(listeners, _shared(settings.user)),
    )
    in_use = [each.pool for each in distinct if each.is_first and each.pool.admin_state_up]
    files = tls.files(snapshot, listeners, in_use)
    generation = tls.generation(files)
    parts = tuple(cfg.text([each], is_static=True) for each in (*_preamble(snapshot, "", generation, settings), *body))
    fingerprint = _hash(parts, [each.name for each in files])
    label = FINGERPRINTS.join(filter(None, (fingerprint, generation)))
    return Configuration(
        text=cfg.text((*_preamble(snapshot, label, generation, settings), *body)),
        fingerprint=fingerprint,
        binds=binds,
        backends=made,
        files=files,
        generation=generation,
        maps=tuple(dict.fromkeys(each for section in body for line in section.lines for each in line.maps)),
        relay=relay,
        parts=parts,
    )


def _rendered(
    distinct: Sequence[backends.Backend], snapshot: Snapshot, previous: Configuration | None
) -> dict[str, backends.Rendered]:
    """Return the rendered backends by name; the lines of members that are the same objects as before are reused."""
    followed = {each.pool.id for each in distinct if not each.is_first}
    before = previous.backends if previous is not None else {}
    return {
        each.name: backends.rendered(each, snapshot, is_followed=each.pool.id in followed, before=before.get(each.name))
        for each in distinct
    }


def _limited(settings: Settings, binds: int, made: Mapping[str, backends.Rendered]) -> Settings:
    """Return the settings with as many connections as open files allow, after those of binds and checks."""
    checked = sum(len(each.servers) for each in made.values() if each.template.is_checked)
    most = descriptors.connections(settings.most_connections, settings.most_files, binds, checked)
    return replace(settings, most_connections=most)


def _hash(parts: Sequence[str], files: Sequence[str]) -> str:
    return hashlib.sha256("\n".join((*parts, *files)).encode()).hexdigest()[:16]


def _preamble(snapshot: Snapshot, label: str, generation: str, settings: Settings) -> tuple[cfg.Section, ...]:
    """Return the global and defaults sections.

    Paths are relative to the instance's directory: absolute ones may be too long, and would appear in messages.
    """
    return (
        cfg.Section(
            ("global",),
            (
                cfg.line(
                    "node", snapshot.amphora_id or ""
                ),  # a failover changes the amphora's ID, and thereby causes a reload
                cfg.line(FINGERPRINT, label),
                # A reload takes over the listening sockets; before HAProxy 2.6 only with expose-fd listeners.
                cfg.line("stats", "socket", f"unix@{ADMIN_SOCKET}", *SOCKET_OPTIONS),
                cfg.line("server-state-file", STATES),
                cfg.line("localpeer", peers.own_name(snapshot)),
                cfg.line("maxconn", settings.most_connections),
                cfg.line("nbthread", 1),
                cfg.line("hard-stop-after", OLD_WORKERS_END),
                # Workers hand over their sockets. With SO_REUSEPORT a stray HAProxy would silently share the traffic.
                cfg.line("noreuseport"),
                *_user(settings.user),
                *_tls(generation),
            ),
        ),
        cfg.Section(
            ("defaults",),
            (
                cfg.line("load-server-state-from-file", "global"),
                cfg.line("option", "contstats"),  # the bytes of long connections are counted while they last
                cfg.line("retries", 3),
                cfg.line("option", "redispatch"),
                # A reload does not close idle connections, since a client may just be sending its next request.
                cfg.line("option", "idle-close-on-response"),
            ),
        ),
    )


def _user(user: tuple[int, int] | None) -> Iterator[cfg.Line]:
    """Yield the user that workers become once they listen."""
    if user:
        uid, gid = user
        yield cfg.line("uid", uid)
        yield cfg.line("gid", gid)


def _shared(user: tuple[int, int] | None) -> tuple[object, ...]:
    """Return the options of a Unix socket to which workers and the relay connect."""
    return ("gid", user[1], "mode", "660") if user else ("mode", "600")


def _tls(generation: str) -> Iterator[cfg.Line]:
    if generation:
        yield cfg.line("tune.ssl.cachesize", TLS_SESSIONS)
        for kind in ("crt-base", "ca-base"):
            yield cfg.line(kind, dynamic=(f"{tls.DIRECTORY}{generation}",))
