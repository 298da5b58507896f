"""Checks, before HAProxy or the relay is asked to listen, that it can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from .. import ports
from ..config.cfg import Refused

Bind = tuple[str, int]

UNPRIVILEGED_START = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
LOWEST_UNPRIVILEGED = 1024
NET_BIND_SERVICE = 10  # the number of the capability


class Taken(Refused):
    """Some addresses and ports cannot be bound; nothing has been changed. The reasons are sentences for the user."""

    def __init__(self, reasons: Mapping[Bind, str], *, is_datagram: bool) -> None:
        super().__init__(next(iter(reasons.values())))
        self.reasons = reasons
        self.is_datagram = is_datagram


def check(binds: Iterable[Bind], is_datagram: bool = False) -> None:
    """Raise Taken if any of the addresses and ports cannot be bound.

    HAProxy would notice as well, but only after it has asked its old worker to stop listening.
    """
    found = {bind: ports.refusal([bind], is_datagram) for bind in sorted(binds)}
    reasons = {bind: reason for bind, reason in found.items() if reason}
    if reasons:
        raise Taken(reasons, is_datagram=is_datagram)


def low_port_refusal(port: int) -> str | None:
    """Return why this process can listen on the port at no address; None if it may."""
    try:
        first = int(UNPRIVILEGED_START.read_text())
    except (OSError, ValueError):
        first = LOWEST_UNPRIVILEGED
    if port >= first or _has_capability(NET_BIND_SERVICE):
        return None
    return (
        f"This server has no right to listen on ports below {first}: it needs CAP_NET_BIND_SERVICE, or the sysctl "
        f"net.ipv4.ip_unprivileged_port_start={port}."
    )


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) >> number & 1)
    return False
