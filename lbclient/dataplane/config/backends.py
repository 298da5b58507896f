"""Translation of pools and members into backends and servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...store.records import HealthMonitorRecord, ListenerRecord, MemberRecord, PoolRecord
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

    @property
    def dynamic(self) -> tuple[str, ...]:
        return ("weight", str(self.weight)) + (() if self.is_enabled else ("disabled",))


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


def servers(backend: Backend, snapshot: Snapshot) -> list[Server]:
    """Return the servers of a backend. A disabled pool has none: its clients get 503, or their connection is closed."""
    if not backend.pool.admin_state_up:
        return []
    monitor = monitors.of(backend.pool, snapshot)
    is_checked = monitor is not None and (backend.is_first or monitor.type == "PING")
    return [
        Server(backend.name, member.id, member.weight, member.admin_state_up, is_checked, backend.pool.tls_enabled)
        for member in snapshot.members[backend.pool.id]
    ]


def section(backend: Backend, snapshot: Snapshot) -> cfg.Section:
    return cfg.Section(("backend", backend.name), tuple(_lines(backend, snapshot)))


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
    members = {member.id: member for member in snapshot.members[pool.id]}
    for server in servers(backend, snapshot):
        words = _server(backend, members[server.name], monitor)
        yield cfg.line("server", server.name, *words, dynamic=server.dynamic)


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


def _server(backend: Backend, member: MemberRecord, monitor: HealthMonitorRecord | None) -> Iterator[object]:
    pool = backend.pool
    yield endpoint(member.address, member.protocol_port)
    yield from PROXY_TLS if backend.tells_of_tls else PROXY.get(pool.protocol, ())
    yield from tls.server(pool)
    if monitor:
        words = monitors.words if backend.is_first else monitors.following
        yield from words(monitor, member, pool)
    if (pool.session_persistence or {}).get("type") == "HTTP_COOKIE":
        yield from ("cookie", member.id)
    if member.backup:
        yield "backup"


def endpoint(address: str, port: int) -> str:
    host = cfg.address(address)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
