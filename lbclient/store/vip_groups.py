"""Load balancers on two hosts: the groups of addresses that both share.

keepalived decides which of the two has the addresses of a group; nothing here does.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from . import engines, placing, serials
from .cluster_tables import AMPHORA, HOST, VIP_GROUP
from .prepared import by, insert
from .records import AmphoraRecord, HostRecord, Record
from .snapshot import Peer
from .times import now

VRRP = "vrrp"  # the feature of hosts that can share addresses
STATES = MASTER, BACKUP, FAULT = "MASTER", "BACKUP", "FAULT"
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
            "peer_port": free_port(tx, host_id),
            "created_at": now(),
            **described,
        }
        insert(AMPHORA, *row).run(tx, **row)


def check_possible(tx: sa.Connection) -> None:
    """Check that two hosts share a network and can share addresses in it. Raises placing.NoHost."""
    found: dict[str, int] = {}
    for host in filter(can_share, placing.candidates(tx)):
        for network in {each.network for each in _all_own(host.addresses)}:
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


def note_states(tx: sa.Connection, host_id: str, states: Mapping[str, str]) -> list[str]:
    """Store what keepalived of a host says of its groups, by name; return the IDs of groups with another holder."""
    moved = []
    for group in of_host(tx, host_id):
        state = states.get(name(group.id))
        side = side_of(group, host_id)
        if state not in STATES or state == state_of(group, host_id):
            continue
        before = holder(tx, group)
        tx.execute(sa.update(VIP_GROUP).where(VIP_GROUP.c.id == group.id).values({f"{side}_state": state}))
        if holder(tx, by(VIP_GROUP, "id").one(tx, id=group.id)) != before:
            moved.append(str(group.id))
    return moved


def holder(tx: sa.Connection, group: Record) -> str:
    """Return the host that has the addresses of a group, as far as it is known; its observations count."""
    ids = (group.first_host_id, group.second_host_id)
    return _holder(group, [id_ for id_ in ids if is_heard(tx, by(HOST, "id").first(tx, id=id_))])


def holders(tx: sa.Connection, heard: Collection[str]) -> dict[str, str]:
    """Return the hosts that have the addresses of all groups, as holder() does, by group ID."""
    return {group.id: _holder(group, heard) for group in tx.execute(sa.select(VIP_GROUP))}


def heard(tx: sa.Connection) -> set[str]:
    """Return the IDs of the hosts with agents that are heard."""
    return set(tx.scalars(sa.select(HOST.c.id).where(is_agent_heard())))


def is_agent_heard() -> sa.ColumnElement[bool]:
    """Whether the host of a row, which is not the server's own, is heard."""
    return (HOST.c.state != placing.DEAD) & placing.has_lease()


def _holder(group: Record, heard: Collection[str]) -> str:
    sides = ((group.first_host_id, group.first_state), (group.second_host_id, group.second_state))
    found = [(host_id, state) for host_id, state in sides if host_id in heard]
    masters = [host_id for host_id, state in found if state == MASTER]
    return str((masters or [host_id for host_id, _ in found] or [group.first_host_id])[0])


def is_holder(tx: sa.Connection, amphora: AmphoraRecord) -> bool:
    """Whether an amphora is the only one, or on the host that has the addresses."""
    if amphora.vip_group_id is None:
        return True
    return holder(tx, by(VIP_GROUP, "id").one(tx, id=amphora.vip_group_id)) == amphora.host_id


def keep_view(tx: sa.Connection, amphora_id: str, observed: Mapping[str, Any]) -> None:
    """Keep what a host has observed last, for the moment when it gets the addresses.

    A portion other than the first is added to those before.
    """
    if observed.get("portion"):
        before = tx.scalar(sa.select(AMPHORA.c.observed).where(AMPHORA.c.id == amphora_id))
        observed = _joined(before, observed) if before else observed
    tx.execute(sa.update(AMPHORA).where(AMPHORA.c.id == amphora_id).values(observed=observed))


def _joined(before: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Return two portions of what a host has observed as one."""
    lists = {name: [*before[name], *later[name]] for name in ("statuses", "reasons")}
    checks = None if later["checks"] is None else {**(before["checks"] or {}), **later["checks"]}
    return {**later, **lists, "checks": checks}


def views(tx: sa.Connection, group_id: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return (load balancer ID, what it observed last) for each load balancer of a group, of the host that has it."""
    host_id = holder(tx, by(VIP_GROUP, "id").one(tx, id=group_id))
    is_meant = (AMPHORA.c.vip_group_id == group_id) & (AMPHORA.c.host_id == host_id)
    rows = tx.execute(sa.select(AMPHORA.c.loadbalancer_id, AMPHORA.c.observed).where(is_meant))
    return [(row.loadbalancer_id, row.observed) for row in rows if row.observed]


def readdress(tx: sa.Connection, host_id: str, addresses: Mapping[str, Sequence[str]]) -> None:
    """Store the own addresses of a host that has registered again, as far as they are in the networks of its groups."""
    for group in of_host(tx, host_id):
        side = side_of(group, host_id)
        for each in _all_own(addresses):
            if each.network == group.network:
                found = {f"{side}_interface": each.interface, f"{side}_address": each.address}
                tx.execute(sa.update(VIP_GROUP).where(VIP_GROUP.c.id == group.id).values(found))


def of_host(tx: sa.Connection, host_id: str) -> list[Record]:
    """Return the groups in which a host has a part."""
    is_part = (VIP_GROUP.c.first_host_id == host_id) | (VIP_GROUP.c.second_host_id == host_id)
    return list(tx.execute(sa.select(VIP_GROUP).where(is_part).order_by(VIP_GROUP.c.serial)))


def loadbalancers(tx: sa.Connection, group_id: str) -> list[str]:
    """Return the IDs of the load balancers of a group."""
    return list(tx.scalars(sa.select(AMPHORA.c.loadbalancer_id).distinct().where(AMPHORA.c.vip_group_id == group_id)))


def _group(tx: sa.Connection, wanted: Needs) -> Record:
    """Return the group of the two hosts with the fewest load balancers that fit, new or not. Raises placing.NoHost."""
    hosts = [each for each in placing.fitting(placing.candidates(tx), wanted) if can_share(each)]
    hosts.sort(key=placing.shares(tx))
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
        if other_of(group, one.id) == other.id and group.network == place.network:
            return group
    return None


def _created(tx: sa.Connection, pair: Sequence[tuple[HostRecord, Own]]) -> Record:
    """Add a group of two hosts. Raises placing.NoHost if no number is left."""
    (first, one), (second, other) = pair
    in_network = tx.scalars(sa.select(VIP_GROUP.c.number).where(VIP_GROUP.c.network == one.network))
    used = {*in_network, *numbers(tx, first.id), *numbers(tx, second.id)}
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


def numbers(tx: sa.Connection, host_id: str) -> set[int]:
    """Return the numbers of the virtual routers on a host."""
    return {each.number for each in of_host(tx, host_id)}


def free_port(tx: sa.Connection, host_id: str) -> int:
    """Return a port for session tables that is free on a host. Raises placing.NoHost."""
    is_here = (AMPHORA.c.host_id == host_id) & AMPHORA.c.peer_port.is_not(None)
    used = set(tx.scalars(sa.select(AMPHORA.c.peer_port).where(is_here)))
    for port in PORTS:
        if port not in used:
            return port
    raise placing.NoHost(f"All {len(PORTS)} ports for session tables are used on a host.")


def can_share(host: HostRecord) -> bool:
    """Whether a host can share addresses with others."""
    return VRRP in (host.features or ())


def in_network(host: HostRecord, network: str) -> Own | None:
    """Return a host's own address in a network; None if it has none."""
    return next((each for each in _all_own(host.addresses) if each.network == network), None)


def _all_own(addresses: Mapping[str, Sequence[str]] | None) -> Iterator[Own]:
    """Yield a host's own addresses, which have prefixes and are by the names of interfaces."""
    for interface, told in (addresses or {}).items():
        for each in map(ipaddress.ip_interface, told):
            yield Own(interface, str(each.ip), str(each.network))


def side_of(group: Record, host_id: str) -> str:
    """Return which of the two hosts of a group a host is: "first" or "second"."""
    return "first" if group.first_host_id == host_id else "second"


def other_of(group: Record, host_id: str) -> str:
    """Return the ID of the other host of a group."""
    return str(group.second_host_id if group.first_host_id == host_id else group.first_host_id)


def state_of(group: Record, host_id: str) -> str | None:
    """Return what keepalived of a host has said last of a group, one of STATES; None if it has said nothing."""
    state: str | None = getattr(group, f"{side_of(group, host_id)}_state")
    return state


def _address(group: Record, host_id: str) -> str:
    return str(getattr(group, f"{side_of(group, host_id)}_address"))


def is_heard(tx: sa.Connection, host: HostRecord | None) -> bool:
    """Whether a host exists, has not been declared dead, and has been heard lately."""
    return host is not None and host.state != placing.DEAD and placing.is_alive(tx, host)
