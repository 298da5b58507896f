"""Load balancers on two hosts: the groups of addresses that both share, and what both have to do before one settles.

keepalived decides which of the two has the addresses of a group; nothing here does.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from . import engines, placing, serials
from .cluster_tables import AMPHORA, HOST, VIP_GROUP
from .prepared import by, insert
from .records import AmphoraRecord, HostRecord, Record
from .snapshot import Peer, Snapshot
from .tables import LOADBALANCER
from .times import now

VRRP = "vrrp"  # the feature of hosts that can share addresses
MASTER, BACKUP = "MASTER", "BACKUP"
STATES = (MASTER, BACKUP, "FAULT")
NUMBERS = range(1, 256)  # of virtual routers
PRIORITIES = (250, 249)  # of the first and the second host in an election; never equal
PORTS = range(24000, 32000)  # of session tables, below those that Linux gives to outgoing connections
LOCK = "vip groups"
OTHER = AMPHORA.alias("other")  # the other amphora of the same load balancer
NEEDED = "ACTIVE_STANDBY needs two hosts with keepalived in one network"

Needs = placing.Needs


@dataclass(frozen=True)
class Own:
    """A host's own address in a network that contains addresses of load balancers."""

    interface: str
    address: str
    network: str


def place(tx: sa.Connection, loadbalancer_id: str, vips: Sequence[str], described: dict[str, Any]) -> None:
    """Give a new load balancer its two amphorae; `described` is as for placing.place(). Raises placing.NoHost."""
    engines.lock(tx, LOCK)
    group = _group(tx, Needs(described["cached_zone"], tuple(vips)))
    for role, host_id in ((MASTER, group.first_host_id), (BACKUP, group.second_host_id)):
        row = {
            "id": str(uuid.uuid4()),
            "loadbalancer_id": loadbalancer_id,
            "host_id": host_id,
            "role": role,
            "vip_group_id": group.id,
            "peer_port": _port(tx, host_id),
            "created_at": now(),
            **described,
        }
        insert(AMPHORA, *row).run(tx, **row)


def check_possible(tx: sa.Connection) -> None:
    """Check that two hosts share a network and can share addresses in it. Raises placing.NoHost."""
    found: dict[str, int] = {}
    for host in filter(_can_share, placing.candidates(tx)):
        for network in _networks(host):
            found[network] = found.get(network, 0) + 1
    if max(found.values(), default=0) < 2:
        raise placing.NoHost(f"{NEEDED}, and there are none")


def own(host: HostRecord, addresses: Collection[str]) -> Own | None:
    """Return a host's own address in the network of the first address, on an interface that reaches all; else None."""
    wanted = [ipaddress.ip_address(each) for each in addresses]
    for interface, told in (host.addresses or {}).items():
        known = [ipaddress.ip_interface(each) for each in told]
        found = [next((each for each in known if address in each.network), None) for address in wanted]
        if found and found[0] is not None and None not in found:
            return Own(interface, str(found[0].ip), str(found[0].network))
    return None


def by_id(tx: sa.Connection, ids: Collection[str]) -> list[Record]:
    """Return groups, each with the states of its hosts, in order of creation."""
    wanted = sa.select(VIP_GROUP).where(VIP_GROUP.c.id.in_(ids)).order_by(VIP_GROUP.c.serial)
    return list(tx.execute(wanted)) if ids else []


def described(group: Record, host_id: str, addresses: Sequence[str]) -> dict[str, Any]:
    """Return a group as one of its hosts is told of it, with addresses of which the first is in adverts."""
    is_first = group.first_host_id == host_id
    lead, *others = addresses
    return {
        "name": name(group.id),
        "number": group.number,
        "peer": group.second_address if is_first else group.first_address,
        "is_first": is_first,
        "lead": lead,
        "others": others,
        "yields": group.yielding_host_id == host_id,
    }


def name(group_id: str) -> str:
    """Return the name of a group in keepalived's configuration."""
    return "g" + group_id.replace("-", "")


def peers(tx: sa.Connection, amphorae: Sequence[AmphoraRecord]) -> tuple[Peer, ...]:
    """Return where both HAProxy processes exchange session tables; () if there is one only."""
    if not amphorae or amphorae[0].vip_group_id is None:
        return ()
    group = by(VIP_GROUP, "id").one(tx, id=amphorae[0].vip_group_id)
    return tuple(Peer(each.host_id, _address(group, each.host_id), each.peer_port or 0) for each in amphorae)


def applied(tx: sa.Connection, snapshot: Snapshot, error: str | None) -> tuple[bool, str | None]:
    """Note that a host has applied a snapshot, or why it could not.

    Return whether another host that is heard has yet to do so, and what has failed on those that are heard. A host that
    is not heard holds nothing up: it reads the whole list when it is back.
    """
    id_, revision = snapshot.loadbalancer.id, snapshot.loadbalancer.revision
    mine = (AMPHORA.c.loadbalancer_id == id_) & (AMPHORA.c.host_id == snapshot.host_id)
    tx.execute(sa.update(AMPHORA).where(mine).values(applied_revision=revision, fault=error))
    heard = [(row, host) for row, host in _with_hosts(tx, id_) if host is not None and _is_heard(tx, host)]
    is_awaited = any((row.applied_revision or 0) < revision for row, _ in heard)
    faults = [f"Host {host.name}: {row.fault}" for row, host in heard if row.fault is not None]
    return is_awaited, " ".join(faults) or None


def held_up(tx: sa.Connection) -> list[str]:
    """Return the load balancers on two hosts whose changes one host has to settle alone: the other is not heard."""
    if tx.execute(sa.select(VIP_GROUP.c.id).limit(1)).first() is None:
        return []
    joined = sa.join(AMPHORA, LOADBALANCER, AMPHORA.c.loadbalancer_id == LOADBALANCER.c.id)
    is_shared = AMPHORA.c.vip_group_id.is_not(None) & LOADBALANCER.c.provisioning_status.like("PENDING_%")
    pending = tx.scalars(sa.select(LOADBALANCER.c.id).distinct().select_from(joined).where(is_shared)).all()
    return [id_ for id_ in pending if {_is_heard(tx, host) for _, host in _with_hosts(tx, id_)} == {True, False}]


def note_states(tx: sa.Connection, host_id: str, states: Mapping[str, str]) -> list[str]:
    """Store what keepalived of a host says of its groups, by name; return the IDs of groups with another holder."""
    moved = []
    for group in of_host(tx, host_id):
        state = states.get(name(group.id))
        side = _side(group, host_id)
        if state not in STATES or state == _state(group, host_id):
            continue
        before = holder(tx, group)
        tx.execute(sa.update(VIP_GROUP).where(VIP_GROUP.c.id == group.id).values({f"{side}_state": state}))
        if holder(tx, by(VIP_GROUP, "id").one(tx, id=group.id)) != before:
            moved.append(str(group.id))
    return moved


def holder(tx: sa.Connection, group: Record) -> str:
    """Return the host that has the addresses of a group, as far as it is known; its observations count."""
    sides = ((group.first_host_id, group.first_state), (group.second_host_id, group.second_state))
    heard = [(host_id, state) for host_id, state in sides if _is_heard(tx, by(HOST, "id").first(tx, id=host_id))]
    masters = [host_id for host_id, state in heard if state == MASTER]
    return str((masters or [host_id for host_id, _ in heard] or [group.first_host_id])[0])


def is_holder(tx: sa.Connection, amphora: AmphoraRecord) -> bool:
    """Whether an amphora is the only one, or on the host that has the addresses."""
    if amphora.vip_group_id is None:
        return True
    return holder(tx, by(VIP_GROUP, "id").one(tx, id=amphora.vip_group_id)) == amphora.host_id


def keep_view(tx: sa.Connection, amphora_id: str, observed: Mapping[str, Any]) -> None:
    """Keep what a host has observed last, for the moment when it gets the addresses."""
    tx.execute(sa.update(AMPHORA).where(AMPHORA.c.id == amphora_id).values(observed=observed))


def views(tx: sa.Connection, group_id: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return (load balancer ID, what it observed last) for each load balancer of a group, of the host that has it."""
    host_id = holder(tx, by(VIP_GROUP, "id").one(tx, id=group_id))
    is_meant = (AMPHORA.c.vip_group_id == group_id) & (AMPHORA.c.host_id == host_id)
    rows = tx.execute(sa.select(AMPHORA.c.loadbalancer_id, AMPHORA.c.observed).where(is_meant))
    return [(row.loadbalancer_id, row.observed) for row in rows if row.observed]


def readdress(tx: sa.Connection, host_id: str, addresses: Mapping[str, Sequence[str]]) -> None:
    """Store the own addresses of a host that has registered again, as far as they are in the networks of its groups."""
    for group in of_host(tx, host_id):
        side = _side(group, host_id)
        for interface, told in addresses.items():
            for each in map(ipaddress.ip_interface, told):
                if str(each.network) == group.network:
                    found = {f"{side}_interface": interface, f"{side}_address": str(each.ip)}
                    tx.execute(sa.update(VIP_GROUP).where(VIP_GROUP.c.id == group.id).values(found))


def of_host(tx: sa.Connection, host_id: str) -> list[Record]:
    """Return the groups in which a host has a part."""
    is_part = (VIP_GROUP.c.first_host_id == host_id) | (VIP_GROUP.c.second_host_id == host_id)
    return list(tx.execute(sa.select(VIP_GROUP).where(is_part).order_by(VIP_GROUP.c.serial)))


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
        for group in of_host(tx, host.id):
            other = _other(group, host.id)
            if group.yielding_host_id != host.id and _state(group, other) == BACKUP:
                found.append((name(group.id), other))
    return found


def leaving(tx: sa.Connection) -> list[str]:
    """Move groups away from hosts that drain or are dead, as far as that is possible now; return load balancer IDs.

    A dead host is replaced at once. One that drains first has to give up the addresses to the other of its group, and
    is replaced once keepalived has said so on both.
    """
    engines.lock(tx, LOCK)
    changed: list[str] = []
    for host in tx.execute(sa.select(HOST)).all():
        for group in of_host(tx, host.id):
            mine = loadbalancers(tx, group.id)
            if _leave(tx, group, host, mine):
                changed += mine
    return changed


def substitute(tx: sa.Connection, group: Record, host_id: str) -> tuple[HostRecord, Own]:
    """Return the host that can take the place of another in a group, and its own address. Raises placing.NoHost."""
    others = [each for each in placing.candidates(tx, host_id) if each.id != _other(group, host_id)]
    zones = tx.scalars(sa.select(AMPHORA.c.cached_zone).distinct().where(AMPHORA.c.vip_group_id == group.id)).all()
    for zone in zones:
        others = placing.fitting(others, Needs(zone)) if others else []
    found = [(each, _in_network(each, group.network)) for each in others if _can_share(each)]
    fit = [(each, place) for each, place in found if place and group.number not in _numbers(tx, each.id)]
    if not fit:
        raise placing.NoHost(f"No third host with keepalived in the network {group.network} can take its place.")
    loads = placing.loads(tx)
    return min(fit, key=lambda each: (loads.get(each[0].id, 0) + 1) / each[0].weight)


def loadbalancers(tx: sa.Connection, group_id: str) -> list[str]:
    """Return the IDs of the load balancers of a group."""
    return list(tx.scalars(sa.select(AMPHORA.c.loadbalancer_id).distinct().where(AMPHORA.c.vip_group_id == group_id)))


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
        _note_obstacle(tx, host, str(error))
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
    other = _other(group, host.id)
    is_heard = _is_heard(tx, host) and _is_heard(tx, by(HOST, "id").first(tx, id=other))
    return is_heard and _state(group, host.id) in (BACKUP, "FAULT") and _state(group, other) == MASTER


def _replace(tx: sa.Connection, group: Record, old: str, new: str, place: Own) -> None:
    """Put another host in the place of one of a group, with new amphorae."""
    side = _side(group, old)
    values = {"host_id": new, "address": place.address, "interface": place.interface, "state": None}
    changed = {f"{side}_{key}": value for key, value in values.items()}
    tx.execute(sa.update(VIP_GROUP).where(VIP_GROUP.c.id == group.id).values(**changed, yielding_host_id=None))
    mine = (AMPHORA.c.vip_group_id == group.id) & (AMPHORA.c.host_id == old)
    for row in tx.execute(sa.select(AMPHORA.c.id).where(mine)).all():
        fresh = {"id": str(uuid.uuid4()), "host_id": new, "peer_port": _port(tx, new), "created_at": now()}
        forgotten = dict.fromkeys(("applied_revision", "fault", "observed"))
        tx.execute(sa.update(AMPHORA).where(AMPHORA.c.id == row.id).values({**fresh, **forgotten}))


def _note_obstacle(tx: sa.Connection, host: HostRecord, obstacle: str) -> None:
    values = {"fault": f"Load balancers cannot leave: {obstacle}", "fault_until": placing.clock(tx) + 10_000}
    tx.execute(sa.update(HOST).where(HOST.c.id == host.id).values(values))


def _group(tx: sa.Connection, wanted: Needs) -> Record:
    """Return the group of the two hosts with the fewest load balancers that fit, new or not. Raises placing.NoHost."""
    loads = placing.loads(tx)
    hosts = [each for each in placing.fitting(placing.candidates(tx), wanted) if _can_share(each)]
    hosts.sort(key=lambda each: (loads.get(each.id, 0) + 1) / each.weight)
    by_network: dict[str, list[tuple[HostRecord, Own]]] = {}
    for host in hosts:
        place = own(host, wanted.addresses)
        if place is not None:
            by_network.setdefault(place.network, []).append((host, place))
    pair = next((each[:2] for each in by_network.values() if len(each) >= 2), None)
    if pair is None:
        count = sum(map(len, by_network.values()))
        there = "none can" if count == 0 else "only one can"
        raise placing.NoHost(f"{NEEDED}: {there} take the address {wanted.addresses[0]}.")
    return _existing(tx, pair) or _created(tx, pair)


def _existing(tx: sa.Connection, pair: Sequence[tuple[HostRecord, Own]]) -> Record | None:
    (one, place), (other, _) = pair
    for group in of_host(tx, one.id):
        if _other(group, one.id) == other.id and group.network == place.network and group.yielding_host_id is None:
            return group
    return None


def _created(tx: sa.Connection, pair: Sequence[tuple[HostRecord, Own]]) -> Record:
    """Add a group of two hosts. Raises placing.NoHost if no number is left."""
    (first, one), (second, other) = pair
    in_network = tx.scalars(sa.select(VIP_GROUP.c.number).where(VIP_GROUP.c.network == one.network))
    used = {*in_network, *_numbers(tx, first.id), *_numbers(tx, second.id)}
    number = next((each for each in NUMBERS if each not in used), None)
    if number is None:
        raise placing.NoHost(f"All {len(NUMBERS)} virtual routers of the network {one.network} are used.")
    row = {
        "id": str(uuid.uuid4()),
        "network": one.network,
        "number": number,
        **_as_side("first", first, one),
        **_as_side("second", second, other),
        "serial": serials.of_row(tx),
    }
    tx.execute(sa.insert(VIP_GROUP).values(row))
    return by(VIP_GROUP, "id").one(tx, id=row["id"])


def _as_side(side: str, host: HostRecord, place: Own) -> dict[str, str]:
    return {f"{side}_host_id": host.id, f"{side}_address": place.address, f"{side}_interface": place.interface}


def _numbers(tx: sa.Connection, host_id: str) -> set[int]:
    return {each.number for each in of_host(tx, host_id)}


def _port(tx: sa.Connection, host_id: str) -> int:
    """Return a port for session tables that is free on a host. Raises placing.NoHost."""
    is_here = (AMPHORA.c.host_id == host_id) & AMPHORA.c.peer_port.is_not(None)
    used = set(tx.scalars(sa.select(AMPHORA.c.peer_port).where(is_here)))
    for port in PORTS:
        if port not in used:
            return port
    raise placing.NoHost(f"All {len(PORTS)} ports for session tables are used on a host.")


def _can_share(host: HostRecord) -> bool:
    return VRRP in (host.features or ())


def _networks(host: HostRecord) -> set[str]:
    return {str(ipaddress.ip_interface(each).network) for told in (host.addresses or {}).values() for each in told}


def _in_network(host: HostRecord, network: str) -> Own | None:
    for interface, told in (host.addresses or {}).items():
        for each in map(ipaddress.ip_interface, told):
            if str(each.network) == network:
                return Own(interface, str(each.ip), network)
    return None


def _side(group: Record, host_id: str) -> str:
    return "first" if group.first_host_id == host_id else "second"


def _other(group: Record, host_id: str) -> str:
    return str(group.second_host_id if group.first_host_id == host_id else group.first_host_id)


def _state(group: Record, host_id: str) -> str | None:
    state: str | None = getattr(group, f"{_side(group, host_id)}_state")
    return state


def _address(group: Record, host_id: str) -> str:
    return str(getattr(group, f"{_side(group, host_id)}_address"))


def _with_hosts(tx: sa.Connection, loadbalancer_id: str) -> Iterable[tuple[AmphoraRecord, HostRecord | None]]:
    """Return the amphorae of a load balancer, each with its host."""
    return [(each, by(HOST, "id").first(tx, id=each.host_id)) for each in placing.amphorae(tx, loadbalancer_id)]


def _is_heard(tx: sa.Connection, host: HostRecord | None) -> bool:
    return host is not None and host.state != placing.DEAD and placing.is_alive(tx, host)
