"""Translation of pools and members into backends and servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...store.records import ListenerRecord, MemberRecord, PoolRecord
from ...store.snapshot import Snapshot
from . import cfg, monitors, policies, tls

SOURCE_PORT = "txn.source_port"
ALGORITHMS = {
    "ROUND_ROBIN": (("balance", "roundrobin"),),
    "LEAST_CONNECTIONS": (("balance", "leastconn"),),
    # Without a consistent hash, HAProxy cannot change weights at run time.
    "SOURCE_IP": (("balance", "source"), ("hash-type", "consistent")),
    "SOURCE_IP_PORT": (
        ("tcp-request", "content", f"set-var({SOURCE_PORT})", "src_port"),
        ("balance", "hash", f"src,concat(:,{SOURCE_PORT})"),  # since HAProxy 2.6
        ("hash-type", "consistent"),
    ),
}
PROXY = {"PROXY": ("send-proxy",), "PROXYV2": ("send-proxy-v2",)}
PROXY_TLS = ("send-proxy-v2-ssl-cn",)  # also sends the client's TLS data, with the name in its certificate
HTTP_LISTENERS = ("HTTP", "TERMINATED_HTTPS")
COOKIE = "SRV"
COOKIE_TYPES = ("HTTP_COOKIE", "APP_COOKIE")
PEERS = "tables"
NO_LINE = cfg.Line(())
TABLE_SIZE = "100k"  # entries; beyond that, the oldest ones are dropped


@dataclass(frozen=True)
class Backend:
    """A pool as some of its listeners use it.

    One backend is enough for a pool unless its listeners differ in settings that HAProxy has for each backend: the
    mode, the timeouts towards members, and whether PROXY headers carry TLS data. Each further backend is named
    <pool>:<listener>, and tracks the health of the first one.
    """

    name: str
    pool: PoolRecord
    mode: str
    connect_timeout: int
    server_timeout: int
    tells_of_tls: bool = False  # PROXYV2 headers carry the client's TLS data

    @property
    def is_first(self) -> bool:
        return self.name == str(self.pool.id)


@dataclass(frozen=True)
class Server:
    """A member in a backend, with the values that can change without a reload."""

    backend: str
    name: str
    weight: int
    is_enabled: bool
    is_checked: bool  # its health is kept over a reload
    is_tls: bool = False
    address: str = ""
    port: int = 0
    is_backup: bool = False
    check_address: str = ""  # its own, or that of the member
    check_port: int = 0
    line: cfg.Line = NO_LINE
    settings: tuple[str, ...] = ()  # its own words that take a reload when they change
    added: tuple[str, ...] = ()  # further words that it needs if it is added at run time
    is_tested: bool = False  # HAProxy itself runs checks
    member: MemberRecord | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Template:
    """The options that all servers of a backend share."""

    backend: str
    first: tuple[str, ...]  # words after the address
    has_cookie: bool
    added: tuple[str, ...]
    is_checked: bool
    is_tested: bool
    is_tls: bool
    tracked: str  # the backend whose checks are followed; "" for none
    is_dynamic: bool  # servers can be added and deleted at run time

    def server(self, member: MemberRecord) -> Server:
        host = cfg.address(member.address)
        place = monitors.place(member) if self.is_tested else ()
        settings: tuple[str, ...] = ()
        if self.tracked:
            settings += ("track", f"{self.tracked}/{member.id}")
        if self.has_cookie:
            settings += ("cookie", member.id)
        if member.backup:
            settings += ("backup",)
        at = endpoint(member.address, member.protocol_port)
        dynamic = ("weight", member.weight, *(() if member.admin_state_up else ("disabled",)))
        return Server(
            backend=self.backend,
            name=member.id,
            weight=member.weight,
            is_enabled=member.admin_state_up,
            is_checked=self.is_checked,
            is_tls=self.is_tls,
            address=host,
            port=member.protocol_port,
            is_backup=bool(member.backup),
            check_address=cfg.address(member.monitor_address) if member.monitor_address else host,
            check_port=member.monitor_port or member.protocol_port,
            line=cfg.line("server", member.id, at, *self.first, *place, *settings, dynamic=dynamic),
            settings=settings,
            added=self.added,
            is_tested=self.is_tested,
            member=member,
        )


@dataclass(frozen=True)
class Rendered:
    """A backend with its servers, by name."""

    template: Template
    servers: Mapping[str, Server]


def used(listener: ListenerRecord, snapshot: Snapshot) -> list[str]:
    """Return the IDs of the pools that a listener can send a request to, its default pool first."""
    candidates = (listener.default_pool_id, *policies.pools(listener, snapshot))
    return list(dict.fromkeys(each for each in candidates if each and each in snapshot.pools_by_id))


def enabled_listeners(snapshot: Snapshot) -> list[ListenerRecord]:
    """Return the listeners that are enabled and can listen on an address."""
    if not snapshot.loadbalancer.admin_state_up:
        return []
    return [listener for listener in snapshot.listeners if listener.admin_state_up and snapshot.bound(listener)]


def backends(snapshot: Snapshot) -> dict[tuple[str, str], Backend]:
    """Return the backend of each (listener ID, pool ID) in use; pools that no enabled listener uses have none."""
    found: dict[tuple[str, str], Backend] = {}
    first: set[str] = set()
    same: dict[tuple[str, str, int, int, bool], Backend] = {}
    for listener in enabled_listeners(snapshot):
        for pool_id in used(listener, snapshot):
            pool = snapshot.pools_by_id[pool_id]
            mode = mode_of(pool, listener)
            tells_of_tls = pool.protocol == "PROXYV2" and tls.is_terminated(listener)
            key = (pool_id, mode, listener.timeout_member_connect, listener.timeout_member_data, tells_of_tls)
            name = pool_id if pool_id not in first else f"{pool_id}:{listener.id}"
            first.add(pool_id)
            found[listener.id, pool_id] = same.setdefault(key, Backend(name, pool, *key[1:]))
    return found


def mode_of(pool: PoolRecord, listener: ListenerRecord) -> str:
    """Return the mode, http or tcp: for PROXY pools that of the listener, else that of the pool's own protocol."""
    if pool.protocol in PROXY:
        return "http" if listener.protocol in HTTP_LISTENERS else "tcp"
    return "http" if pool.protocol == "HTTP" else "tcp"


def rendered(backend: Backend, snapshot: Snapshot, *, is_followed: bool, before: Rendered | None = None) -> Rendered:
    """Return a backend's servers; those of members that are the same objects as before are taken from there.

    `is_followed` says whether further backends of the pool track this one. A disabled pool has no servers: its clients
    get 503, or their connection is closed.
    """
    template = _template(backend, snapshot, is_followed)
    known = before.servers if before is not None and before.template == template else {}
    members = snapshot.members[backend.pool.id] if backend.pool.admin_state_up else ()
    servers = {}
    for member in members:
        server = known.get(member.id)
        servers[member.id] = server if server is not None and server.member is member else template.server(member)
    return Rendered(template, servers)


def _template(backend: Backend, snapshot: Snapshot, is_followed: bool) -> Template:
    pool = backend.pool
    monitor = monitors.of(pool, snapshot)
    is_tested = backend.is_first and monitors.is_tracked(monitor)
    is_tracking = not backend.is_first and monitors.is_tracked(monitor)
    first: tuple[object, ...] = PROXY_TLS if backend.tells_of_tls else PROXY.get(pool.protocol, ())
    first += tuple(tls.server(pool))
    added: tuple[object, ...] = ()
    if monitor and backend.is_first:
        first += tuple(monitors.words(monitor, pool))
        added = monitors.times(monitor) if is_tested else ()
    return Template(
        backend=backend.name,
        first=tuple(map(str, first)),
        has_cookie=(pool.session_persistence or {}).get("type") == "HTTP_COOKIE",
        added=tuple(map(str, added)),
        is_checked=monitor is not None and (backend.is_first or monitor.type == "PING"),
        is_tested=is_tested,
        is_tls=pool.tls_enabled,
        tracked=pool.id if is_tracking else "",
        # HAProxy neither deletes a server that others track nor lets one track a server that was added at run time.
        is_dynamic=not is_tracking and not (is_followed and monitors.is_tracked(monitor)),
    )


def section(backend: Backend, snapshot: Snapshot, made: Rendered) -> cfg.Section:
    lines = tuple(_lines(backend, snapshot))
    servers = tuple([each.line for each in made.servers.values()])
    if not made.template.is_dynamic:
        return cfg.Section(("backend", backend.name), (*lines, *servers))
    template = made.template
    words = ("server", *template.first, *template.added, *(("cookie",) if template.has_cookie else ()))
    return cfg.Section(("backend", backend.name), lines, servers, words)


def _lines(backend: Backend, snapshot: Snapshot) -> Iterator[cfg.Line]:
    pool = backend.pool
    monitor = monitors.of(pool, snapshot)
    yield cfg.line("mode", backend.mode)
    for algorithm in ALGORITHMS[pool.lb_algorithm]:
        yield cfg.line(*algorithm)
    yield cfg.line("timeout", "connect", backend.connect_timeout)
    yield cfg.line("timeout", "server", backend.server_timeout)
    yield from _persistence(backend)
    if any(member.backup for member in snapshot.members[pool.id]):
        yield cfg.line("option", "allbackups")
    if monitor and backend.is_first:
        yield from monitors.lines(monitor)


def _persistence(backend: Backend) -> Iterator[cfg.Line]:
    """Yield the lines for session persistence; further backends share the stick table of the first one."""
    wanted = backend.pool.session_persistence or {}
    kind = wanted.get("type")
    table = () if backend.is_first else ("table", backend.pool.id)
    if kind == "HTTP_COOKIE":
        yield cfg.line("cookie", COOKIE, "insert", "indirect", "nocache")
    if kind == "SOURCE_IP":
        if backend.is_first:
            yield cfg.line("stick-table", "type", "ipv6", "size", TABLE_SIZE, "peers", PEERS)
        yield cfg.line("stick", "on", "src", *table)
    if kind == "APP_COOKIE":
        name = cfg.clean(wanted.get("cookie_name") or "", "The cookie_name of a pool's session persistence")
        if backend.is_first:
            yield cfg.line("stick-table", "type", "string", "len", 128, "size", TABLE_SIZE, "peers", PEERS)
        yield cfg.line("stick", "store-response", cfg.call("res.cook", name), *table)
        yield cfg.line("stick", "match", cfg.call("req.cook", name), *table)


def has_table(backend: Backend) -> bool:
    return (backend.pool.session_persistence or {}).get("type") in ("SOURCE_IP", "APP_COOKIE")


def endpoint(address: str, port: int) -> str:
    host = cfg.address(address)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
