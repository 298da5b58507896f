"""Load balancers that nothing runs for: their provider carries no traffic."""

from __future__ import annotations

from collections.abc import Iterator

from ..store.snapshot import Record, Snapshot

Key = tuple[str, str]  # (resource name, id)


def statuses(snapshot: Snapshot) -> dict[Key, str]:
    """What would be observed if all went well: whatever is enabled is ONLINE, as far as anything monitors it."""
    return dict(_statuses(snapshot))


def _statuses(snapshot: Snapshot) -> Iterator[tuple[Key, str]]:
    for name, records in (
        ("loadbalancer", (snapshot.loadbalancer,)),
        ("listener", snapshot.listeners),
        ("pool", snapshot.pools),
        ("healthmonitor", snapshot.healthmonitors.values()),
        ("l7policy", (each for group in snapshot.l7policies.values() for each in group)),
        ("l7rule", (each for group in snapshot.l7rules.values() for each in group)),
    ):
        for record in records:
            yield (name, record.id), _status(record)
    for pool_id, members in snapshot.members.items():
        for member in members:
            is_monitored = pool_id in snapshot.healthmonitors or not member.admin_state_up
            yield ("member", member.id), _status(member) if is_monitored else "NO_MONITOR"


def _status(record: Record) -> str:
    return "ONLINE" if record.admin_state_up else "OFFLINE"
