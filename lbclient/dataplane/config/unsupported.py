"""Checks for resources that this data plane supports on no machine: they are refused rather than ignored. Pure."""

from __future__ import annotations

from collections.abc import Callable

from ... import resources
from ...resources.listener import INSERTED_HEADERS
from ...store.records import HealthMonitorRecord, L7PolicyRecord, L7RuleRecord, ListenerRecord, PoolRecord, Record
from ...store.snapshot import Snapshot
from . import cfg, ciphers, regexes, tls, udp
from .backends import ALGORITHMS, COOKIE_TYPES, HTTP_LISTENERS, mode_of, used
from .monitors import CHECKS
from .rules import COMPARISONS

LISTENERS = ("TCP", "HTTP", "HTTPS", "TERMINATED_HTTPS", udp.PROTOCOL, udp.PROMETHEUS)
POOLS = ("TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2", udp.PROTOCOL)
RULES = ("HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE", "SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT", "SSL_DN_FIELD")
GREATEST_RESULT = 2**31 - 1


def impossible(snapshot: Snapshot) -> str | None:
    """Return why a load balancer is not supported on any machine; None if it is."""
    for kind, records in _records(snapshot):
        for record in records:
            reason = record_unsupported(kind, record)
            if reason:
                return reason
    return _combinations(snapshot)


def invalid(snapshot: Snapshot) -> tuple[str, str, str] | None:
    """Return an attribute, its value, and why HAProxy refuses this value; None if it refuses none."""
    rules = (rule for of_policy in snapshot.l7rules.values() for rule in of_policy)
    refused = ((rule.value, _invalid_value(rule)) for rule in rules)
    return next((("value", value, f"HAProxy cannot use it: {why}.") for value, why in refused if why), None)


def _invalid_value(rule: L7RuleRecord) -> str | None:
    if rule.type == "SSL_VERIFY_RESULT" and int(rule.value) > GREATEST_RESULT:
        return f"a verify result is at most {GREATEST_RESULT}"
    return regexes.reason(rule.value) if rule.compare_type == "REGEX" else None


def record_unsupported(kind: str, record: Record) -> str | None:
    """Return why one resource by itself is not supported; None if it is. `kind` is the name of its resource type."""
    try:
        return CHECK[kind](record) if kind in CHECK else None
    except cfg.Refused as error:
        return str(error)


def _records(snapshot: Snapshot) -> list[tuple[str, list[Record]]]:
    return [
        ("listener", list(snapshot.listeners)),
        ("pool", list(snapshot.pools)),
        ("healthmonitor", list(snapshot.healthmonitors.values())),
        ("l7policy", [each for policies in snapshot.l7policies.values() for each in policies]),
        ("l7rule", [each for rules in snapshot.l7rules.values() for each in rules]),
    ]


def _listener(listener: ListenerRecord) -> str | None:
    if listener.protocol not in LISTENERS:
        return f"listeners of protocol {listener.protocol}"
    for header in listener.insert_headers or {}:
        if header not in INSERTED_HEADERS.get(listener.protocol, ()):
            return f"the header {header} in insert_headers of a listener of protocol {listener.protocol}"
    return ciphers.refusal(listener) if tls.is_terminated(listener) else None


def _pool(pool: PoolRecord) -> str | None:
    if pool.protocol not in POOLS:
        return f"pools of protocol {pool.protocol}"
    if pool.lb_algorithm not in ALGORITHMS:
        return f"the algorithm {pool.lb_algorithm}"
    if pool.protocol == udp.PROTOCOL:
        return _datagram_pool(pool)
    reason = ciphers.refusal(pool) if pool.tls_enabled else None
    if reason:
        return reason
    persistence = pool.session_persistence or {}
    if persistence.get("type") in COOKIE_TYPES and pool.protocol in ("TCP", "HTTPS"):
        return f"session persistence {persistence['type']} in a pool of protocol {pool.protocol}"
    if persistence.get("persistence_timeout") or persistence.get("persistence_granularity"):
        return "persistence_timeout and persistence_granularity"
    cfg.clean(persistence.get("cookie_name") or "", "The cookie_name of a pool's session persistence")
    return None


def _datagram_pool(pool: PoolRecord) -> str | None:
    if pool.tls_enabled:
        return "tls_enabled in a pool of protocol UDP"
    try:
        udp.persistence(pool)
    except ValueError:
        granularity = (pool.session_persistence or {})["persistence_granularity"]
        return f"the persistence_granularity {granularity!r}, which is neither a netmask nor the length of a prefix"
    return None


def _healthmonitor(monitor: HealthMonitorRecord) -> str | None:
    if monitor.type not in (*CHECKS, *udp.CHECKS):
        return f"health monitors of type {monitor.type}"
    cfg.clean(monitor.url_path or "", "The url_path of a health monitor")
    cfg.clean(monitor.domain_name or "", "The domain_name of a health monitor")
    return None


def _l7policy(policy: L7PolicyRecord) -> str | None:
    cfg.clean(policy.redirect_url or "", "The redirect_url of an L7 policy")
    cfg.clean(policy.redirect_prefix or "", "The redirect_prefix of an L7 policy")
    return None


def _l7rule(rule: L7RuleRecord) -> str | None:
    if rule.type not in RULES:
        return f"L7 rules of type {rule.type}"
    if rule.compare_type not in COMPARISONS:
        return f"the comparison {rule.compare_type}"
    if rule.type == "SSL_VERIFY_RESULT" and int(rule.value) > GREATEST_RESULT:
        return f"the verify result {rule.value}"
    cfg.clean(rule.key or "", "The key of an L7 rule")
    cfg.clean(rule.value, "The value of an L7 rule")
    return regexes.refusal(rule.value) if rule.compare_type == "REGEX" else None


def _combinations(snapshot: Snapshot) -> str | None:
    pools = {pool.id: pool for pool in snapshot.pools}
    for pool in (each for each in snapshot.pools if each.id in snapshot.healthmonitors):
        kind = snapshot.healthmonitors[pool.id].type
        if kind not in (udp.CHECKS if pool.protocol == udp.PROTOCOL else CHECKS):
            return f"health monitors of type {kind} on a pool of protocol {pool.protocol}"
    for listener in snapshot.listeners:
        if listener.protocol not in HTTP_LISTENERS and snapshot.l7policies[listener.id]:
            return f"L7 policies on a listener of protocol {listener.protocol}"
        for pool in (pools[pool_id] for pool_id in used(listener, snapshot)):
            persistence = (pool.session_persistence or {}).get("type")
            if persistence in COOKIE_TYPES and mode_of(pool, listener) == "tcp":
                return f"session persistence {persistence} behind a listener of protocol {listener.protocol}"
    return None


CHECK: dict[str, Callable[[Record], str | None]] = {
    resources.LISTENER.name: _listener,
    resources.POOL.name: _pool,
    resources.HEALTHMONITOR.name: _healthmonitor,
    resources.L7POLICY.name: _l7policy,
    resources.L7RULE.name: _l7rule,
}
