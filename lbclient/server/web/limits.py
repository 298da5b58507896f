"""Limits of the HTTP server for one client and for all clients together."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

BODY_MAXIMUM = 4 * 1024 * 1024  # bytes of a body whose sender has a valid token
BODY_UNKNOWN = 64 * 1024  # bytes of a body whose sender's token has not been checked
HEAD_MAXIMUM = 64 * 1024  # bytes of a request before its body
HEADERS_MAXIMUM = 200
PIPELINE_MAXIMUM = 32  # requests that a connection may send before the first of them is answered
VALUES_MAXIMUM = 250_000  # values in a JSON body: a pool with 15,000 members has half as many
VALUE_COST = 100  # approximate bytes of memory per parsed value


@dataclass(frozen=True)
class Limits:
    """Limits of a server; times are in seconds."""

    connections: int = 512
    connections_per_address: int = 128  # IPv6 addresses of one /64 count as one
    head_seconds: float = 10.0  # from the first byte of a request to the end of its head
    body_seconds: float = 10.0  # for a body, plus the time that it takes at body_rate
    body_rate: int = 32 * 1024  # bytes per second
    silence: float = 30.0  # how long an idle connection is kept
    handshake_seconds: float = 10.0  # of TLS
    look: float = 1.0  # interval between checks of the deadlines
    body_memory: int = 32 * 1024 * 1024  # bytes of all bodies larger than BODY_UNKNOWN, with the values in them
    logins: int = 16  # logins of one address that may wait for a thread; further ones get 429
    streams: int = 256  # that may be open; further ones get 503
    stream_silence: float = 10.0  # until a heartbeat: proxies close silent connections, often after 30 or 60 seconds
    stream_check: float = 30.0  # interval between checks whether the client may still see a stream
    finish: float = 10.0  # for the requests in progress when the server stops


def origin(address: str) -> str:
    """Return the key by which connections are counted: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))
