"""Checks for load balancers that this machine or its HAProxy cannot run: they are refused, never applied in part."""

from __future__ import annotations

from ..store.snapshot import Snapshot
from .config import udp
from .config.unsupported import impossible
from .haproxy import binary
from .observe import icmp

HASHES_PORTS = (2, 6)  # the first HAProxy that can hash any sample expression to choose a server
LIMITS_BANDWIDTH = (2, 7)  # the first HAProxy with bandwidth limits


def unsupported(snapshot: Snapshot, haproxy_path: str | None = None) -> str | None:
    """Return why the load balancer cannot run on this machine with this HAProxy; None if it can."""
    return impossible(snapshot) or _ping_refusal(snapshot) or _age_refusal(snapshot, haproxy_path)


def _ping_refusal(snapshot: Snapshot) -> str | None:
    is_pinged = any(monitor.type == "PING" for monitor in snapshot.healthmonitors.values())
    return icmp.refusal() if is_pinged else None


def _age_refusal(snapshot: Snapshot, path: str | None) -> str | None:
    wanted = {
        "the algorithm SOURCE_IP_PORT": (
            HASHES_PORTS,
            any(each.lb_algorithm == "SOURCE_IP_PORT" for each in udp.without(snapshot).pools),
        ),
        "a QoS policy with a bandwidth limit": (LIMITS_BANDWIDTH, snapshot.shaping.has_limits),
    }
    if path is None or not any(is_asked for _, is_asked in wanted.values()):
        return None
    try:
        found = binary.version(path)
    except binary.NotFound:
        return None  # applying the configuration fails and reports it
    for what, (needed, is_asked) in wanted.items():
        if is_asked and found < needed:
            return f"{what}: it needs HAProxy {needed[0]}.{needed[1]}, and this is {found[0]}.{found[1]}"
    return None
