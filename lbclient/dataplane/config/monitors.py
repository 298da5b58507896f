"""Health monitors: what HAProxy checks, and how."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...store.snapshot import Record, Snapshot
from . import cfg

CHECKS: dict[str, tuple[str, ...]] = {
    "TCP": ("check",),
    "HTTP": ("check",),
    "HTTPS": ("check", "check-ssl"),
    # A whole handshake: HAProxy's ssl-hello-chk says SSLv3, which today's servers refuse.
    "TLS-HELLO": ("check", "check-ssl"),
    # HAProxy cannot ping: pinger.py does, and tells it.
    "PING": (),
}
NO_NAME = "localhost"  # HTTP/1.1 wants a Host: servers answer 400 without
HEALTH_EVENTS_SOCKET = "alarms.sock"  # what is told there makes the server look
HTTP1 = "http/1.1"
SHORTEST_DELAY = 1  # s; a delay of 0 would never rest


def of(pool: Record, snapshot: Snapshot) -> Record | None:
    """The pool's monitor, where it is to check."""
    monitor = snapshot.healthmonitors.get(pool.id)
    return monitor if monitor is not None and monitor.admin_state_up else None


def lines(monitor: Record) -> Iterator[cfg.Line]:
    """What a backend says about its checks."""
    # Only a backend has a log: a frontend's would tell of every connection.
    yield cfg.line("log", f"unix@{HEALTH_EVENTS_SOCKET}", "local0", "notice")
    yield cfg.line("option", "log-health-checks")
    if monitor.type == "PING":
        return
    if monitor.type in ("HTTP", "HTTPS"):
        yield from _http(monitor)
    yield cfg.line("timeout", "check", f"{monitor.timeout}s")
    delay = max(monitor.delay, SHORTEST_DELAY)
    yield cfg.line("default-server", "inter", f"{delay}s", "rise", monitor.max_retries, "fall", fall(monitor))


def fall(monitor: Record) -> int:
    return monitor.max_retries_down or 3


def _http(monitor: Record) -> Iterator[cfg.Line]:
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


def words(monitor: Record, member: Record, pool: Record) -> Iterator[object]:
    """What a server says about its checks."""
    yield from CHECKS[monitor.type]
    if monitor.type == "PING":
        return
    if "check-ssl" in CHECKS[monitor.type] and not pool.tls_enabled:
        yield from ("verify", "none")  # where the pool speaks TLS, a check asks of a member what every connection does
    if pool.tls_enabled and HTTP1 in (pool.alpn_protocols or ()):
        yield from ("check-alpn", HTTP1)  # the versions of HTTP that monitors can ask for
    if monitor.type == "HTTPS" and monitor.domain_name:
        yield from ("check-sni", monitor.domain_name)
    if pool.protocol in ("PROXY", "PROXYV2"):
        yield "check-send-proxy"
    if member.monitor_address:
        # In brackets: HAProxy takes the end of a bare IPv6 address such as 2001:db8:: for an empty port.
        address = cfg.address(member.monitor_address)
        yield from ("addr", f"[{address}]" if ":" in address else address)
    if member.monitor_port:
        yield from ("port", member.monitor_port)


def following(monitor: Record, member: Record, pool: Record) -> Iterator[object]:
    """In a further backend of the pool: no checks of its own, the first one's results."""
    if monitor.type != "PING":
        yield from ("track", f"{pool.id}/{member.id}")
