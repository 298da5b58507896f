"""Translation of health monitors into HAProxy's checks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...store.records import HealthMonitorRecord, MemberRecord, PoolRecord
from ...store.snapshot import Snapshot
from . import cfg

CHECKS: dict[str, tuple[str, ...]] = {
    "TCP": ("check",),
    "HTTP": ("check",),
    "HTTPS": ("check", "check-ssl"),
    # A complete handshake: HAProxy's ssl-hello-chk uses SSLv3, which current servers refuse.
    "TLS-HELLO": ("check", "check-ssl"),
    # HAProxy cannot ping: pinger.py does, and sets the health in HAProxy.
    "PING": (),
}
NO_NAME = "localhost"  # the Host header without a domain_name: HTTP/1.1 requires one, and servers answer 400 without it
HEALTH_EVENTS_SOCKET = "alarms.sock"  # messages to this socket make the observer poll HAProxy
HTTP1 = "http/1.1"
SHORTEST_DELAY = 1  # s; a delay of 0 would check without a pause


def of(pool: PoolRecord, snapshot: Snapshot) -> HealthMonitorRecord | None:
    """Return the pool's monitor if it is enabled; None otherwise."""
    monitor = snapshot.healthmonitors.get(pool.id)
    return monitor if monitor is not None and monitor.admin_state_up else None


def lines(monitor: HealthMonitorRecord) -> Iterator[cfg.Line]:
    """Yield the lines of a backend about its checks."""
    # Only backends have a log: a frontend would log every connection.
    yield cfg.line("log", f"unix@{HEALTH_EVENTS_SOCKET}", "local0", "notice")
    yield cfg.line("option", "log-health-checks")
    if monitor.type == "PING":
        return
    if monitor.type in ("HTTP", "HTTPS"):
        yield from _http(monitor)
    yield cfg.line("timeout", "check", f"{monitor.timeout}s")
    yield cfg.line("default-server", *times(monitor))


def times(monitor: HealthMonitorRecord) -> tuple[object, ...]:
    """Return the options of a server about the times of its checks, which one added at run time has to repeat."""
    delay = max(monitor.delay, SHORTEST_DELAY)
    return ("inter", f"{delay}s", "rise", monitor.max_retries, "fall", fall(monitor))


def fall(monitor: HealthMonitorRecord) -> int:
    return monitor.max_retries_down or 3


def _http(monitor: HealthMonitorRecord) -> Iterator[cfg.Line]:
    version = monitor.http_version or "1.0"
    method, path = monitor.http_method or "GET", cfg.clean(monitor.url_path or "/", "The url_path of a health monitor")
    yield cfg.line("option", "httpchk")
    send = ["meth", method, "uri", path, "ver", f"HTTP/{version}"]
    if monitor.domain_name or version == "1.1":
        host = cfg.clean(monitor.domain_name or NO_NAME, "The domain_name of a health monitor")
        send += ["hdr", "Host", cfg.literal(host)]
    yield cfg.line("http-check", "send", *send)
    codes = re.sub(r"\s", "", monitor.expected_codes or "200")
    yield cfg.line("http-check", "expect", "status", codes)


def words(monitor: HealthMonitorRecord, pool: PoolRecord) -> Iterator[object]:
    """Yield the options about checks that all servers of a pool have."""
    yield from CHECKS[monitor.type]
    if monitor.type == "PING":
        return
    if "check-ssl" in CHECKS[monitor.type] and not pool.tls_enabled:
        yield from ("verify", "none")  # with tls_enabled, checks verify the member as all connections do
    if pool.tls_enabled and HTTP1 in (pool.alpn_protocols or ()):
        yield from ("check-alpn", HTTP1)  # monitors send HTTP/1.0 or HTTP/1.1
    if monitor.type == "HTTPS" and monitor.domain_name:
        yield from ("check-sni", monitor.domain_name)
    if pool.protocol in ("PROXY", "PROXYV2"):
        yield "check-send-proxy"


def place(member: MemberRecord) -> Iterator[object]:
    """Yield the options about the address and port that a member is checked at, if it has its own."""
    if member.monitor_address:
        # In brackets, since HAProxy takes the end of a bare IPv6 address such as 2001:db8:: for an empty port.
        address = cfg.address(member.monitor_address)
        yield from ("addr", f"[{address}]" if ":" in address else address)
    if member.monitor_port:
        yield from ("port", member.monitor_port)


def is_tracked(monitor: HealthMonitorRecord | None) -> bool:
    """Whether further backends of a pool track the checks in the first backend; results of pings are set in each."""
    return monitor is not None and monitor.type != "PING"
