"""Load balancers that nothing runs for: their provider carries no traffic."""

from __future__ import annotations

from ..store.snapshot import Record, Snapshot

Key = tuple[str, str]  # (resource name, id)


def statuses(snapshot: Snapshot) -> dict[Key, str]:
    """What would be observed if all went well: whatever is enabled is ONLINE, as far as anything monitors it."""
    return {(name, row.id): _status(snapshot, name, row) for name, row in snapshot.rows()}


def _status(snapshot: Snapshot, name: str, row: Record) -> str:
    if name == "member" and row.admin_state_up and row.pool_id not in snapshot.healthmonitors:
        return "NO_MONITOR"
    return "ONLINE" if row.admin_state_up else "OFFLINE"
