"""Translation of the statuses that HAProxy reports into operating statuses of the API. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..store.records import HealthMonitorRecord, ListenerRecord, MemberRecord, Part, PoolRecord
from ..store.snapshot import Snapshot
from .config import backends, monitors
from .haproxy.runtime import Row, Rows

Statuses = dict[tuple[str, str], str]

# Prefixes of a server's status in HAProxy; a count may follow, as in "UP 1/3".
MEMBER = {"UP": "ONLINE", "DOWN": "ERROR", "NOLB": "DRAINING", "DRAIN": "DRAINING", "MAINT": "OFFLINE"}
NO_CHECK = "no check"
LISTENER = {"OPEN": "ONLINE", "FULL": "DEGRADED"}


def statuses(snapshot: Snapshot, rows: Rows | None, error: str | None, is_needed: bool) -> Statuses:
    """Return the operating status of every resource, by kind and ID.

    `rows` is HAProxy's report, None if it does not answer. `error` is the error of the last attempt to apply the
    snapshot, if any, and `is_needed` says whether an HAProxy should be running.
    """
    reported = rows or {}
    found: Statuses = {}
    found |= {("listener", each.id): _listener(each, snapshot, reported, error) for each in snapshot.listeners}
    referenced = _referenced(snapshot, reported)
    for pool in snapshot.pools:
        found |= _pool(pool, snapshot, reported, is_referenced=pool.id in referenced)
    found["loadbalancer", snapshot.loadbalancer.id] = _loadbalancer(snapshot, found, is_needed and rows is None)
    return found | _plain(snapshot, error)


def expected(snapshot: Snapshot, known: Mapping[tuple[str, str], str]) -> Statuses:
    """Predict the statuses right after a snapshot has been applied, so that clients need not wait for a report.

    They follow from the snapshot, except for two known statuses that only later reports can change: members found to
    be down stay in ERROR, and full listeners stay DEGRADED. Of a snapshot that continues another, only the statuses of
    members that were touched or are in ERROR are among them.
    """
    if snapshot.touched is not None:
        snapshot = _reduced(snapshot, known)
    rows: dict[tuple[str, str], Row] = {
        (each.id, "FRONTEND"): {"status": "FULL" if known.get(("listener", each.id)) == "DEGRADED" else "OPEN"}
        for each in backends.enabled_listeners(snapshot)
    }
    used = {id_ for each in backends.enabled_listeners(snapshot) for id_ in backends.used(each, snapshot)}
    for pool in (each for each in snapshot.pools if each.id in used):
        rows |= _expected_rows(pool, snapshot, known)
    return statuses(snapshot, rows, None, False)


def _reduced(snapshot: Snapshot, known: Mapping[tuple[str, str], str]) -> Snapshot:
    """Return the snapshot with the members that were touched or are in ERROR, and one that serves for each pool."""
    telling = {id_ for (kind, id_), status in known.items() if kind == "member" and status == "ERROR"}
    telling |= snapshot.touched or set()
    members = {}
    for pool_id, rows in snapshot.members.items():
        serving = next((row for row in rows if row.admin_state_up and row.weight and row.id not in telling), None)
        chosen = [row for row in rows if row.id in telling]
        chosen += [serving] if serving is not None else [row for row in rows[:1] if row.id not in telling]
        members[pool_id] = tuple(chosen)
    return replace(snapshot, members=members)


def _expected_rows(pool: PoolRecord, snapshot: Snapshot, known: Mapping[tuple[str, str], str]) -> Rows:
    """Return the rows expected of a pool and its members; a disabled pool has no rows for members."""
    monitor = monitors.of(pool, snapshot)
    members = snapshot.members[pool.id] if pool.admin_state_up else ()
    rows = {(pool.id, each.id): _expected_row(each, monitor, known) for each in members}
    is_served = any(row["status"] in ("UP", NO_CHECK) and row["weight"] != "0" for row in rows.values())
    return {**rows, (pool.id, "BACKEND"): {"status": "UP" if is_served or not rows else "DOWN"}}


def _expected_row(
    member: MemberRecord, monitor: HealthMonitorRecord | None, known: Mapping[tuple[str, str], str]
) -> Row:
    if not member.admin_state_up:
        status = "MAINT"
    elif monitor is None:
        status = NO_CHECK
    else:
        status = "DOWN" if known.get(("member", member.id)) == "ERROR" else "UP"
    return {"status": status, "weight": str(member.weight)}


def _loadbalancer(snapshot: Snapshot, found: Mapping[tuple[str, str], str], is_silent: bool) -> str:
    if not snapshot.loadbalancer.admin_state_up:
        return "OFFLINE"
    listeners = _of("listener", found)
    # A listener is in ERROR if the process that serves it, HAProxy or the relay, does not report it.
    if is_silent or "ERROR" in listeners | _of("pool", found):
        return "ERROR"
    return "DEGRADED" if "DEGRADED" in listeners or "ERROR" in _of("member", found) else "ONLINE"


def _of(kind: str, found: Mapping[tuple[str, str], str]) -> set[str]:
    return {status for (name, _), status in found.items() if name == kind}


def _listener(listener: ListenerRecord, snapshot: Snapshot, rows: Rows, error: str | None) -> str:
    if not (snapshot.loadbalancer.admin_state_up and listener.admin_state_up):
        return "OFFLINE"
    row = rows.get((listener.id, "FRONTEND"))
    if row is None:
        return "ERROR" if error is None else "OFFLINE"
    status = LISTENER.get(row["status"], "ERROR")
    # A listener that cannot listen on some of its addresses serves on the others.
    return "DEGRADED" if status == "ONLINE" and ("listener", listener.id) in snapshot.failures else status


def _pool(pool: PoolRecord, snapshot: Snapshot, rows: Rows, *, is_referenced: bool) -> Statuses:
    """Return the statuses of a pool and its members."""
    monitor = monitors.of(pool, snapshot)
    found: Statuses = {}
    for member in snapshot.members[pool.id]:
        found["member", member.id] = _member(member, monitor, rows.get((pool.id, member.id)))
    row = rows.get((pool.id, "BACKEND"))
    if row is None or not pool.admin_state_up or not is_referenced:
        status = "OFFLINE"
    elif row["status"].startswith("DOWN"):
        status = "ERROR"
    else:
        status = "DEGRADED" if "ERROR" in found.values() else "ONLINE"
    return {**found, ("pool", pool.id): status}


def _referenced(snapshot: Snapshot, rows: Rows) -> set[str]:
    """Return the IDs of the pools used by the listeners that appear in the report."""
    reporting = [each for each in backends.enabled_listeners(snapshot) if (each.id, "FRONTEND") in rows]
    return {pool_id for listener in reporting for pool_id in backends.used(listener, snapshot)}


def _member(member: MemberRecord, monitor: HealthMonitorRecord | None, row: Row | None) -> str:
    if not member.admin_state_up:
        return "OFFLINE"
    if row is None:
        return "OFFLINE" if monitor else "NO_MONITOR"
    status = row["status"]
    known = next((ours for theirs, ours in MEMBER.items() if status.startswith(theirs)), None)
    if known in (None, "ONLINE") and is_drained(row):
        return "DRAINING"
    # A member that HAProxy does not check may still be monitored by pings.
    return known or ("ONLINE" if monitor else "NO_MONITOR")


def is_drained(row: Row) -> bool:
    return (row.get("uweight") or row["weight"]) == "0"


def _plain(snapshot: Snapshot, error: str | None) -> Statuses:
    """Return the statuses of monitors, policies and rules, which HAProxy does not report: ONLINE once in effect."""
    kinds: tuple[tuple[str, Iterable[Part]], ...] = (
        ("healthmonitor", snapshot.healthmonitors.values()),
        ("l7policy", (each for policies in snapshot.l7policies.values() for each in policies)),
        ("l7rule", (each for rules in snapshot.l7rules.values() for each in rules)),
    )
    return {
        (kind, each.id): "ONLINE" if each.admin_state_up and _is_active(each, error) else "OFFLINE"
        for kind, records in kinds
        for each in records
    }


def _is_active(record: Part, error: str | None) -> bool:
    return error is None or record.provisioning_status == "ACTIVE"
