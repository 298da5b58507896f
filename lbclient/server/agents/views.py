"""Show what hosts observe of their load balancers; of two hosts, the one with the addresses counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from ...store import pairs, reading, vip_groups
from ...store.store import Check, Store


def keep(store: Store, id_: str, view: Mapping[str, Any], check: Callable[[sa.Connection], None]) -> None:
    """Store what a host has observed of a load balancer, which shows it; a portion leaves alone what it does not name.

    check(tx) may refuse, by an exception.
    """
    with store.reading() as tx:
        known = reading.operating_statuses(tx, id_)
        told = {(name, part): status for name, part, status in view["statuses"] if (name, part) in known}
        statuses, lacking = pairs.shown(tx, id_, told)
    reasons = {(name, part): reason for name, part, reason in view["reasons"]}
    checks = view["checks"]
    if checks is not None:
        unnamed = [part for name, part in known if name == "member"] if view.get("portion") is not None else []
        given = {part: each and Check(**each) for part, each in checks.items() if ("member", part) in known}
        checks = {**dict.fromkeys(unnamed), **given}
    store.observed(id_, statuses, checks, {**reasons, **lacking}, view["revision"], check=check)


def show_holder(store: Store, group_id: str) -> None:
    """Show the load balancers of a group as the host sees them that has the addresses now."""
    with store.reading() as tx:
        found = vip_groups.views(tx, group_id)
    for id_, view in found:
        keep(store, id_, view, lambda tx: None)
