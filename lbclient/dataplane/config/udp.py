"""Translation of a snapshot into the plan of its relay: UDP listeners, and names for metrics. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Iterable, Mapping

from ...store.records import HealthMonitorRecord, ListenerRecord, MemberRecord, NamedRecord, PoolRecord
from ...store.snapshot import Shaping, Snapshot
from ..relay.plan import Listener, Member, Monitor, Persistence, Plan, Pool
from . import cfg, monitors, shaping, traffic
from .backends import enabled_listeners

PROTOCOL = "UDP"
PROMETHEUS = "PROMETHEUS"
CHECKS = ("UDP-CONNECT", "TCP", "HTTP")
ANYONE = ()
NOBODY = ("::/128",)  # no datagram comes from the unspecified address
PERSISTENCE_SECONDS = 360  # the default in Octavia's amphorae, where the kernel (LVS) forwards UDP


def without(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot without UDP listeners and pools, for HAProxy."""
    return dataclasses.replace(
        snapshot,
        listeners=tuple(each for each in snapshot.listeners if each.protocol != PROTOCOL),
        pools=tuple(each for each in snapshot.pools if each.protocol != PROTOCOL),
    )


def plan(snapshot: Snapshot, most_flows: int) -> Plan:
    """Return the plan of the relay, which is needed only if there is an enabled UDP or PROMETHEUS listener."""
    enabled = enabled_listeners(snapshot)
    listeners = [each for each in enabled if each.protocol == PROTOCOL]
    used = {each.default_pool_id for each in listeners}
    is_asked = any(each.protocol == PROMETHEUS for each in enabled)
    return Plan(
        listeners=tuple(_listener(each, snapshot) for each in listeners),
        pools=tuple(_pool(each, snapshot) for each in snapshot.pools if each.id in used),
        most_flows=most_flows if listeners else 0,
        names=_names(snapshot) if is_asked else None,
        **_shaping(snapshot.shaping if listeners else Shaping()),
    )


def _shaping(wanted: Shaping) -> dict[str, int]:
    limits = {name: shaping.bytes_per_second(getattr(wanted, name)) for name in ("egress", "ingress")}
    return {**limits, "dscp": wanted.dscp or 0}


def _listener(listener: ListenerRecord, snapshot: Snapshot) -> Listener:
    timeouts = listener.timeout_client_data, listener.timeout_member_data
    clients = snapshot.clients(listener)
    logged = traffic.setting(listener, snapshot)
    return Listener(
        id=listener.id,
        port=listener.protocol_port,
        addresses=snapshot.bound(listener),
        pool_id=listener.default_pool_id,
        limit=listener.connection_limit,
        # Datagrams of either side keep a flow alive. A timeout of 0 means none.
        idle=max(timeouts) / 1000 if all(timeouts) else 0,
        allowed=ANYONE if clients is None else clients or NOBODY,
        sampling=logged["sampling"] if logged else 0,
    )


def _pool(pool: PoolRecord, snapshot: Snapshot) -> Pool:
    monitor = monitors.of(pool, snapshot)
    members = snapshot.members[pool.id] if pool.admin_state_up else ()
    return Pool(
        id=pool.id,
        algorithm=pool.lb_algorithm,
        members=tuple(_member(each) for each in members),
        persistence=persistence(pool),
        monitor=_monitor(monitor) if monitor else None,
    )


def _member(member: MemberRecord) -> Member:
    return Member(
        id=member.id,
        address=cfg.address(member.address),
        port=member.protocol_port,
        weight=member.weight,
        is_enabled=member.admin_state_up,
        is_backup=bool(member.backup),
        check_address=cfg.address(member.monitor_address or member.address),
        check_port=member.monitor_port or member.protocol_port,
    )


def _monitor(monitor: HealthMonitorRecord) -> Monitor:
    version = monitor.http_version or "1.0"
    return Monitor(
        type=monitor.type,
        delay=monitor.delay,
        timeout=monitor.timeout,
        rise=monitor.max_retries,
        fall=monitors.fall(monitor),
        method=monitor.http_method or "GET",
        path=monitor.url_path or "/",
        version=version,
        host=monitor.domain_name or (monitors.NO_NAME if version == "1.1" else ""),
        codes=tuple(_codes(monitor.expected_codes or "200")),
    )


def _codes(text: str) -> Iterable[tuple[int, int]]:
    for each in re.sub(r"\s", "", text).split(","):
        low, _, high = each.partition("-")
        yield int(low), int(high or low)


def persistence(pool: PoolRecord) -> Persistence | None:
    """Return how long a client stays with a member, and the prefix lengths that identify it; None without persistence.

    Raises ValueError if the persistence_granularity is not valid.
    """
    wanted = pool.session_persistence or {}
    if wanted.get("type") != "SOURCE_IP":
        return None
    seconds = wanted.get("persistence_timeout")
    prefixes = _prefixes(str(wanted.get("persistence_granularity") or ""))
    return Persistence(PERSISTENCE_SECONDS if seconds is None else int(seconds), *prefixes)


def _prefixes(granularity: str) -> tuple[int, int]:
    """Return the prefix lengths for IPv4 and IPv6: a netmask is for IPv4 only, a number is a length for both."""
    if not granularity:
        return 32, 128
    if "." in granularity:
        return ipaddress.IPv4Network(f"0.0.0.0/{granularity}").prefixlen, 128
    length = ipaddress.IPv6Network(f"::/{granularity}").prefixlen
    return min(length, 32), length


def _names(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    members = [each for pool in snapshot.pools for each in snapshot.members[pool.id]]
    kinds: Mapping[str, Iterable[NamedRecord]] = {
        "loadbalancer": (snapshot.loadbalancer,),
        "listener": snapshot.listeners,
        "pool": snapshot.pools,
        "member": members,
    }
    return {kind: {each.id: each.name for each in records} for kind, records in kinds.items()}
