"""Departures from groups of addresses: of hosts that drain, which give the addresses up first, and of dead ones."""

from __future__ import annotations

import uuid
from collections.abc import Collection

import sqlalchemy as sa

from . import engines, leases, placing, vip_groups
from .cluster_tables import AMPHORA, HOST, VIP_GROUP
from .prepared import by
from .records import HostRecord, Record
from .times import now


def is_any_leaving(tx: sa.Connection) -> bool:
    """Whether a host of a group drains or is dead, or no longer is to give up the addresses."""
    is_part = (VIP_GROUP.c.first_host_id == HOST.c.id) | (VIP_GROUP.c.second_host_id == HOST.c.id)
    is_over = (VIP_GROUP.c.yielding_host_id == HOST.c.id) & (HOST.c.state == placing.UP)
    wanted = sa.select(VIP_GROUP.c.id).join(HOST, is_part).where((HOST.c.state != placing.UP) | is_over)
    return tx.execute(wanted.limit(1)).first() is not None


def about_to_yield(tx: sa.Connection) -> list[tuple[str, str]]:
    """Return (name of a group, the other host) for each group whose addresses a host is to give up next."""
    found = []
    for host in tx.execute(sa.select(HOST).where(HOST.c.state == placing.DRAINING)).all():
        for group in vip_groups.of_host(tx, host.id):
            other = vip_groups.other_of(group, host.id)
            if group.yielding_host_id != host.id and vip_groups.state_of(group, other) == vip_groups.BACKUP:
                found.append((vip_groups.name(group.id), other))
    return found


def leaving(tx: sa.Connection) -> list[str]:
    """Move groups away from hosts that drain or are dead, as far as that is possible now; return load balancer IDs.

    A dead host is replaced at once. One that drains first has to give up the addresses to the other of its group, and
    is replaced once keepalived has said so on both.
    """
    engines.lock(tx, vip_groups.LOCK)
    changed: list[str] = []
    for host in tx.execute(sa.select(HOST)).all():
        for group in vip_groups.of_host(tx, host.id):
            mine = vip_groups.loadbalancers(tx, group.id)
            if _leave(tx, group, host, mine):
                changed += mine
    return changed


def substitute(tx: sa.Connection, group: Record, host_id: str) -> tuple[HostRecord, vip_groups.Own]:
    """Return the host that can take the place of another in a group, and its own address. Raises placing.NoHost."""
    others = [each for each in placing.candidates(tx, host_id) if each.id != vip_groups.other_of(group, host_id)]
    zones = tx.scalars(sa.select(AMPHORA.c.cached_zone).distinct().where(AMPHORA.c.vip_group_id == group.id)).all()
    for zone in zones:
        others = placing.fitting(others, placing.Needs(zone)) if others else []
    found = [(each, vip_groups.in_network(each, group.network)) for each in others if vip_groups.can_share(each)]
    fit = [(each, place) for each, place in found if place and group.number not in vip_groups.numbers(tx, each.id)]
    if not fit:
        raise placing.NoHost(f"No third host with keepalived in the network {group.network} can take its place.")
    share = placing.shares(tx)
    return min(fit, key=lambda each: share(each[0]))


def _leave(tx: sa.Connection, group: Record, host: HostRecord, mine: Collection[str]) -> bool:
    """Take one step of a host's departure from a group; return whether anything has changed."""
    if host.state == placing.UP:
        return group.yielding_host_id == host.id and _yield(tx, group, None)
    if not mine:
        tx.execute(sa.delete(VIP_GROUP).where(VIP_GROUP.c.id == group.id))
        return False
    try:
        target, place = substitute(tx, group, host.id)
    except placing.NoHost as error:
        leases.note_fault(tx, host.id, f"Load balancers cannot leave: {error}")
        return group.yielding_host_id == host.id and _yield(tx, group, None)
    if host.state == placing.DEAD or _has_yielded(tx, group, host):
        _replace(tx, group, host.id, target.id, place)
        return True
    return group.yielding_host_id != host.id and _yield(tx, group, host.id)


def _yield(tx: sa.Connection, group: Record, host_id: str | None) -> bool:
    tx.execute(sa.update(VIP_GROUP).where(VIP_GROUP.c.id == group.id).values(yielding_host_id=host_id))
    return True


def _has_yielded(tx: sa.Connection, group: Record, host: HostRecord) -> bool:
    """Whether a host that is heard says that it has not the addresses, and the other that it has them."""
    other = vip_groups.other_of(group, host.id)
    if not (vip_groups.is_heard(tx, host) and vip_groups.is_heard(tx, by(HOST, "id").first(tx, id=other))):
        return False
    states = vip_groups.state_of(group, host.id), vip_groups.state_of(group, other)
    return states[0] in (vip_groups.BACKUP, vip_groups.FAULT) and states[1] == vip_groups.MASTER


def _replace(tx: sa.Connection, group: Record, old: str, new: str, place: vip_groups.Own) -> None:
    """Put another host in the place of one of a group, with new amphorae."""
    side = vip_groups.side_of(group, old)
    values = {"host_id": new, "address": place.address, "interface": place.interface, "state": None}
    changed = {f"{side}_{key}": value for key, value in values.items()}
    tx.execute(sa.update(VIP_GROUP).where(VIP_GROUP.c.id == group.id).values(**changed, yielding_host_id=None))
    mine = (AMPHORA.c.vip_group_id == group.id) & (AMPHORA.c.host_id == old)
    for row in tx.execute(sa.select(AMPHORA.c.id).where(mine)).all():
        port = vip_groups.free_port(tx, new)
        fresh = {"id": str(uuid.uuid4()), "host_id": new, "peer_port": port, "created_at": now()}
        forgotten = dict.fromkeys(("applied_revision", "fault", "observed"))
        tx.execute(sa.update(AMPHORA).where(AMPHORA.c.id == row.id).values({**fresh, **forgotten}))
