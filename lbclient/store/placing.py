"""Hosts and amphorae: which host runs which load balancer."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from . import serials, times
from .cluster_tables import AMPHORA, HOST, SERVER, SERVER_NAME
from .prepared import Prepared, by, insert
from .records import AmphoraRecord, HostRecord
from .tables import LOADBALANCER

UP, DRAINING, DEAD = "UP", "DRAINING", "DEAD"
WEIGHT = 100

_OWNER = AMPHORA.c.loadbalancer_id == sa.bindparam("owner")
_MEANT = AMPHORA.c.id == sa.bindparam("amphora_id")
_FORGET = Prepared(sa.delete(AMPHORA).where(_OWNER))
_RENEW = Prepared(sa.update(AMPHORA).where(_MEANT), ("id", "created_at"))
_WANTED = Prepared(sa.select(HOST).where(HOST.c.state == UP, HOST.c.weight > 0).order_by(HOST.c.serial))
_LOADS = Prepared(sa.select(AMPHORA.c.host_id, sa.func.count().label("load")).group_by(AMPHORA.c.host_id))


class NoHost(Exception):
    """No host can take a load balancer; the text says why."""


@dataclass(frozen=True)
class Needs:
    """A load balancer's demands on its host: a zone, None for any, and networks that have its addresses."""

    zone: str | None = None
    addresses: tuple[str, ...] = ()


def add_server(tx: sa.Connection) -> None:
    """Add the host of the server itself, unless it is known."""
    if by(HOST, "id").first(tx, id=SERVER) is None:
        tx.execute(sa.insert(HOST).values(new_host(tx, SERVER, SERVER_NAME)))


def new_host(tx: sa.Connection, host_id: str, name: str) -> dict[str, Any]:
    """Return the row of a host that has not registered yet."""
    return {
        "id": host_id,
        "name": name,
        "state": UP,
        "weight": WEIGHT,
        "epoch": 0,
        "created_at": times.now(),
        "serial": serials.of_row(tx),
    }


def has_lease() -> sa.ColumnElement[bool]:
    """Whether the host of a row has been heard lately; the server's own host has no lease."""
    return sa.func.coalesce(HOST.c.lease_until, 0) > times.DatabaseTime()


def is_alive(tx: sa.Connection, host: HostRecord) -> bool:
    """Whether a host has been heard lately; the server's own host has no lease."""
    return host.id == SERVER or (host.lease_until is not None and host.lease_until > times.of_database(tx))


def place(tx: sa.Connection, loadbalancer_id: str, vips: Sequence[str], described: dict[str, Any]) -> None:
    """Give a new load balancer an amphora; `described` has its compute zone and its compute flavor. Raises NoHost."""
    row = {
        "id": str(uuid.uuid4()),
        "loadbalancer_id": loadbalancer_id,
        "host_id": choose(tx, Needs(described["cached_zone"], tuple(vips)), candidates(tx)),
        "role": "STANDALONE",
        "created_at": times.now(),
        **described,
    }
    insert(AMPHORA, *row).run(tx, **row)


def placed_on(tx: sa.Connection, host_id: str, *conditions: sa.ColumnElement[bool]) -> Iterator[tuple[Any, Needs]]:
    """Yield the only amphorae of load balancers that are on a host and meet the conditions, each with its demands."""
    conditions = (AMPHORA.c.vip_group_id.is_(None), *conditions)
    joined = sa.join(AMPHORA, LOADBALANCER, AMPHORA.c.loadbalancer_id == LOADBALANCER.c.id)
    columns = (*AMPHORA.c, LOADBALANCER.c.vip_address, LOADBALANCER.c.additional_vips)
    wanted = sa.select(*columns).select_from(joined).where(AMPHORA.c.host_id == host_id, *conditions)
    for row in tx.execute(wanted).all():
        yield row, Needs(row.cached_zone, (row.vip_address, *(vip["ip_address"] for vip in row.additional_vips)))


def candidates(tx: sa.Connection, other_than: str | None = None) -> list[HostRecord]:
    """Return the hosts that can take load balancers."""
    return [each for each in _WANTED.all(tx) if each.id != other_than and is_alive(tx, each)]


def choose(tx: sa.Connection, wanted: Needs, hosts: Iterable[HostRecord]) -> str:
    """Return the ID of the host with the fewest load balancers for its weight, of those that fit. Raises NoHost."""
    found = fitting(hosts, wanted)
    chosen: str = (min(found, key=shares(tx)) if len(found) > 1 else found[0]).id
    return chosen


def shares(tx: sa.Connection) -> Callable[[HostRecord], float]:
    """Return a function that returns a host's load balancers, with another one, in proportion to its weight."""
    loads = {row.host_id: row.load for row in _LOADS.all(tx)}
    return lambda host: (loads.get(host.id, 0) + 1) / float(host.weight)


def fitting(hosts: Iterable[HostRecord], wanted: Needs) -> list[HostRecord]:
    """Return the hosts that meet the demands. Raises NoHost."""
    found = list(hosts)
    if not found:
        raise NoHost("No host can take a load balancer: each is down, draining, dead, or has the weight 0.")
    if wanted.zone is not None:
        found = [each for each in found if each.zone in (None, wanted.zone)]
        if not found:
            raise NoHost(f"No host of the zone {wanted.zone} can take a load balancer.")
    for address in wanted.addresses:
        found = [each for each in found if reaches(each, address)]
        if not found:
            raise NoHost(f"No host that could take a load balancer reaches the network of {address}.")
    return found


def reaches(host: HostRecord, address: str) -> bool:
    """Whether an address is in one of a host's networks; one that has named none reaches all."""
    if host.networks is None:
        return True
    wanted = ipaddress.ip_address(address)
    return any(wanted in ipaddress.ip_network(each) for each in host.networks.split(","))


def fault(tx: sa.Connection, host: HostRecord) -> str | None:
    """Return what is wrong with a host, as far as it was found lately."""
    is_over = host.fault_until is not None and host.fault_until < times.of_database(tx)
    return None if is_over else host.fault


def renew(tx: sa.Connection, amphora_id: str) -> None:
    """Replace an amphora by a new one on the same host."""
    _RENEW.run(tx, amphora_id=amphora_id, id=str(uuid.uuid4()), created_at=times.now())


def forget(tx: sa.Connection, loadbalancer_id: str) -> None:
    """Delete the amphorae of a load balancer that has been deleted."""
    _FORGET.run(tx, owner=loadbalancer_id)


def amphorae(tx: sa.Connection, loadbalancer_id: str) -> list[AmphoraRecord]:
    """Return the amphorae of a load balancer, the MASTER first; those of a no-op provider have none."""
    found: list[AmphoraRecord] = by(AMPHORA, "loadbalancer_id").all(tx, loadbalancer_id=loadbalancer_id)
    return sorted(found, key=lambda each: each.role, reverse=True)


def amphora(tx: sa.Connection, loadbalancer_id: str, host_id: str) -> AmphoraRecord | None:
    """Return the amphora of a load balancer on a host; None if it has none there."""
    return next((each for each in amphorae(tx, loadbalancer_id) if each.host_id == host_id), None)


def released(tx: sa.Connection, loadbalancer_id: str, host_id: str) -> bool:
    """Complete a move, once the old host has ended its processes; return whether there was one."""
    mine = (AMPHORA.c.loadbalancer_id == loadbalancer_id) & (AMPHORA.c.host_id == host_id)
    statement = sa.update(AMPHORA).where(mine, AMPHORA.c.moving_to.is_not(None))
    return tx.execute(statement.values(host_id=AMPHORA.c.moving_to, moving_to=None)).rowcount > 0
