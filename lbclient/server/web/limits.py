"""What one client, and all of them together, may take of the HTTP server."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

BODY_MAXIMUM = 4 * 1024 * 1024  # bytes of a body whose sender is known
BODY_UNKNOWN = 64 * 1024  # bytes of a body before its sender's token has been checked
HEAD_MAXIMUM = 64 * 1024  # bytes of a request before its body
HEADERS_MAXIMUM = 200
PIPELINE_MAXIMUM = 32  # requests that a connection may send before the first of them is answered
VALUES_MAXIMUM = 250_000  # of a JSON body: a pool of 15,000 members has half of them
VALUE_COST = 100  # bytes of memory that a value takes, about


@dataclass(frozen=True)
class Limits:
    """Limits of a server; times are in seconds."""

    connections: int = 512
    connections_per_address: int = 128  # an IPv6 client is its /64
    head_seconds: float = 10.0  # from the first byte of a request to the end of its head
    body_seconds: float = 10.0  # for a body, and as much again as it takes at body_rate
    body_rate: int = 32 * 1024  # bytes per second
    silence: float = 30.0  # how long a connection without a request is kept
    handshake_seconds: float = 10.0  # of TLS
    look: float = 1.0  # between two checks of the deadlines
    body_memory: int = 32 * 1024 * 1024  # bytes of all bodies larger than BODY_UNKNOWN, with the values in them
    logins: int = 16  # requests of one address that wait to have a password hashed; others get 429
    finish: float = 10.0  # that requests under way have when the server stops


def origin(address: str) -> str:
    """What connections are counted by: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))
