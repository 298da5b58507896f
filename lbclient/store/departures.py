"""Planned moves of groups of addresses, and departures from them: of hosts that drain, and of dead ones."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa

from . import engines, leases, placing, vip_groups
from .cluster_tables import AMPHORA, HOST, VIP_GROUP
from .prepared import by
from .records import AmphoraRecord, HostRecord, Record
from .times import now, of_database

YIELDING = 10_000  # milliseconds in which the other host has to take addresses that a host gives up
PAUSE = 60_000  # milliseconds before that is tried again
_NOT_MOVING = dict.fromkeys(("yielding_host_id", "yielding_until", "failover_host_id"))


@dataclass
class Told:
    """The hosts that have to be told of changes of their groups, and load balancers that have other hosts now.

    Only the groups whose names are `ready` may begin to move.
    """

    ready: Collection[str] = ()
    hosts: set[str] = field(default_factory=set)
    loadbalancers: list[str] = field(default_factory=list)


def is_any_leaving(tx: sa.Connection) -> bool:
    """Whether a host of a group drains or is dead, or addresses move by plan."""
    is_part = (VIP_GROUP.c.first_host_id == HOST.c.id) | (VIP_GROUP.c.second_host_id == HOST.c.id)
    is_moving = VIP_GROUP.c.yielding_host_id.is_not(None) | VIP_GROUP.c.failover_host_id.is_not(None)
    wanted = sa.select(VIP_GROUP.c.id).join(HOST, is_part).where((HOST.c.state != placing.UP) | is_moving)
    return tx.execute(wanted.limit(1)).first() is not None


def fail_over(tx: sa.Connection, amphora: AmphoraRecord) -> None:
    """Have the addresses of an amphora's group move to the other host soon, if its host has them."""
    if amphora.vip_group_id is None:
        return
    group = by(VIP_GROUP, "id").one(tx, id=amphora.vip_group_id)
    if vip_groups.state_of(group, amphora.host_id) == vip_groups.MASTER:
        _set(tx, group, failover_host_id=amphora.host_id)


def about_to_yield(tx: sa.Connection) -> list[tuple[str, str]]:
    """Return (name of a group, the other host) for each group whose addresses a host is to give up next."""
    found = []
    for group in tx.execute(sa.select(VIP_GROUP)).all():
        for host_id in (group.first_host_id, group.second_host_id):
            host = by(HOST, "id").one(tx, id=host_id)
            is_wanted = host.state == placing.DRAINING or group.failover_host_id == host_id
            if is_wanted and _can_yield(tx, group, host):
                found.append((vip_groups.name(group.id), vip_groups.other_of(group, host_id)))
    return found


def leaving(tx: sa.Connection, ready: Collection[str]) -> Told:
    """Move groups away from hosts that drain, are dead or fail over, as far as that is possible now.

    A dead host is replaced at once. One that drains first has to give up the addresses to the other of its group, and
    is replaced once keepalived has said so on both. One that fails over gives them up and stands by. Groups begin to
    move only if they are ready: the hosts that are to take the addresses were asked to expect them, by name.
    """
    engines.lock(tx, vip_groups.LOCK)
    told = Told(ready)
    for host in tx.execute(sa.select(HOST)).all():
        for group in vip_groups.of_host(tx, host.id):
            _leave(tx, group, host, told)
    return told


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


def _leave(tx: sa.Connection, group: Record, host: HostRecord, told: Told) -> None:
    """Take one step of a host's departure from a group, or of its failover."""
    if host.state == placing.UP:
        if group.yielding_host_id == host.id:
            _end_failover(tx, group, host, told)
        elif group.failover_host_id == host.id:
            _begin(tx, group, host, told)
        return
    mine = vip_groups.loadbalancers(tx, group.id)
    if not mine:
        tx.execute(sa.delete(VIP_GROUP).where(VIP_GROUP.c.id == group.id))
        return
    try:
        target, place = substitute(tx, group, host.id)
    except placing.NoHost as error:
        leases.note_fault(tx, host.id, f"Load balancers cannot leave: {error}")
        _cease(tx, group, host, told)
        return
    if host.state == placing.DEAD or _has_yielded(tx, group, host):
        _replace(tx, group, host.id, target.id, place)
        told.hosts |= {host.id, target.id, vip_groups.other_of(group, host.id)}
        told.loadbalancers += mine
    elif group.yielding_host_id != host.id:
        _begin(tx, group, host, told)
    elif _is_over(tx, group):
        _give_up(tx, group, host, told)


def _begin(tx: sa.Connection, group: Record, host: HostRecord, told: Told) -> None:
    """Have a host give up the addresses of a group, if the other host can take them; a failover is forgotten if not."""
    if _can_yield(tx, group, host):
        if vip_groups.name(group.id) not in told.ready:
            return
        _set(tx, group, yielding_host_id=host.id, yielding_until=of_database(tx) + YIELDING)
        told.hosts |= {group.first_host_id, group.second_host_id}
    elif group.failover_host_id == host.id:
        _set(tx, group, failover_host_id=None)


def _end_failover(tx: sa.Connection, group: Record, host: HostRecord, told: Told) -> None:
    """Let a host that gives up addresses take part in elections again, once it has done so or need not any more."""
    if group.failover_host_id != host.id or _has_yielded(tx, group, host):
        _cease(tx, group, host, told)
    elif _is_over(tx, group):
        _give_up(tx, group, host, told)


def _give_up(tx: sa.Connection, group: Record, host: HostRecord, told: Told) -> None:
    """Let a host keep addresses that the other has not taken in time, and wait before that is tried again."""
    leases.note_fault(tx, vip_groups.other_of(group, host.id), f"It does not take the addresses of {host.name}.")
    _cease(tx, group, host, told, of_database(tx) + PAUSE)


def _cease(tx: sa.Connection, group: Record, host: HostRecord, told: Told, until: int | None = None) -> None:
    """Let a host take part in elections again, if it gives up the addresses of a group."""
    if group.yielding_host_id == host.id:
        _set(tx, group, yielding_host_id=None, yielding_until=until, failover_host_id=None)
        told.hosts |= {group.first_host_id, group.second_host_id}


def _set(tx: sa.Connection, group: Record, **values: str | int | None) -> None:
    tx.execute(sa.update(VIP_GROUP).where(VIP_GROUP.c.id == group.id).values(**values))


def _can_yield(tx: sa.Connection, group: Record, host: HostRecord) -> bool:
    """Whether a host has the addresses of a group, the other is ready to take them, and a drain need not pause."""
    other = vip_groups.other_of(group, host.id)
    states = vip_groups.state_of(group, host.id), vip_groups.state_of(group, other)
    return (
        group.yielding_host_id is None
        and states == (vip_groups.MASTER, vip_groups.BACKUP)
        and vip_groups.is_heard(tx, by(HOST, "id").first(tx, id=other))
        and (group.failover_host_id == host.id or _is_over(tx, group))
    )


def _is_over(tx: sa.Connection, group: Record) -> bool:
    return group.yielding_until is None or group.yielding_until <= of_database(tx)


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
    tx.execute(sa.update(VIP_GROUP).where(VIP_GROUP.c.id == group.id).values(**changed, **_NOT_MOVING))
    mine = (AMPHORA.c.vip_group_id == group.id) & (AMPHORA.c.host_id == old)
    for row in tx.execute(sa.select(AMPHORA.c.id).where(mine)).all():
        port = vip_groups.free_port(tx, new)
        fresh = {"id": str(uuid.uuid4()), "host_id": new, "peer_port": port, "created_at": now()}
        forgotten = dict.fromkeys(("applied_revision", "fault", "late_revision", "observed"))
        tx.execute(sa.update(AMPHORA).where(AMPHORA.c.id == row.id).values({**fresh, **forgotten}))
