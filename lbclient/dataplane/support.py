"""Checks for load balancers that this machine or its HAProxy cannot run: they are refused rather than cut down."""

from __future__ import annotations

from ..store.snapshot import Snapshot
from .config import udp
from .config.unsupported import impossible
from .haproxy import binary
from .observe import icmp

HASHES_PORTS = (2, 6)  # the first HAProxy that can hash any sample expression to choose a server


def unsupported(snapshot: Snapshot, haproxy_path: str | None = None) -> str | None:
    """Return why the load balancer cannot run on this machine with this HAProxy; None if it can."""
    return impossible(snapshot) or _ping_refusal(snapshot) or _age_refusal(snapshot, haproxy_path)


def _ping_refusal(snapshot: Snapshot) -> str | None:
    is_pinged = any(monitor.type == "PING" for monitor in snapshot.healthmonitors.values())
    return icmp.refusal() if is_pinged else None


def _age_refusal(snapshot: Snapshot, path: str | None) -> str | None:
    is_asked = any(each.lb_algorithm == "SOURCE_IP_PORT" for each in udp.without(snapshot).pools)
    if path is None or not is_asked:
        return None
    try:
        found = binary.version(path)
    except binary.NotFound:
        return None  # applying the configuration fails and reports it
    if found >= HASHES_PORTS:
        return None
    return f"the algorithm SOURCE_IP_PORT: it needs HAProxy 2.6, and this is {found[0]}.{found[1]}"
