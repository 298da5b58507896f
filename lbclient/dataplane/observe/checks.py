"""Express the last results of members' health checks as sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ...store.records import HealthMonitorRecord
from ...store.snapshot import Snapshot
from ...store.store import Check
from ..config import monitors
from ..haproxy.runtime import Row, Rows

NOTHING_YET = ("", "INI", "UNK", "CHECKED")
UNDER_WAY = "* "  # prefix of the last result while the next check runs
PINGS = {True: Check("DOWN", "No ping was answered."), False: Check("UP", "A ping was answered.")}


def checks(snapshot: Snapshot, rows: Rows) -> dict[str, Check | None]:
    """Return the last check of each checked member, by ID; None if this worker has no result yet.

    A worker may already run a newer configuration than the snapshot, and check members that have no monitor in it.
    """
    found: dict[str, Check | None] = {}
    for pool in snapshot.pools:
        monitor = monitors.of(pool, snapshot)
        for member in snapshot.members[pool.id]:
            row = rows.get((pool.id, member.id))
            if not row or not member.admin_state_up:
                continue
            check = _check(row, monitor)
            if check or monitor is not None:
                found[member.id] = check
    return found


def reasons(
    snapshot: Snapshot, found: Mapping[str, Check | None], statuses: Mapping[tuple[str, str], str], error: str | None
) -> dict[tuple[str, str], str]:
    """Return the reasons for statuses, by kind and ID, as far as they are known."""
    told = {("member", id_): check.reason for id_, check in found.items() if check}
    down = [pool.id for pool in snapshot.pools if statuses.get(("pool", pool.id)) == "ERROR"]
    told |= {("pool", id_): "No member is up." for id_ in down}
    balancer = ("loadbalancer", snapshot.loadbalancer.id)
    if error is not None:
        told |= {("listener", each.id): error for each in snapshot.listeners}
    if statuses.get(balancer) == "ERROR":
        told[balancer] = f"Pool {down[0]}: no member is up." if down else error or "HAProxy does not answer."
    return {key: reason for key, reason in told.items() if _is_told(key[0], statuses.get(key))}


def _is_told(kind: str, status: str | None) -> bool:
    return status is not None and (kind == "member" or status in ("ERROR", "OFFLINE"))


def _check(row: Row, monitor: HealthMonitorRecord | None) -> Check | None:
    if monitor is not None and monitor.type == "PING":
        return PINGS[row["status"].startswith("DOWN")]
    status = row.get("check_status", "").removeprefix(UNDER_WAY)
    if status in NOTHING_YET:
        return None
    said, code = row.get("last_chk") or "", row.get("check_code") or ""
    details = said if code in said else f"{code} {said}".strip()
    description = row.get("check_desc") or status
    return Check(status, f"{description}: {details}" if details else description)
